"""Simulated pipelines: a manifest, scripts, and what one sees of a request."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.plan.compiler import PlanError
from penstock.core.problems import ProblemsError
from penstock.core.records import Absent, Failed
from penstock.testing import NEVER, SimulatedPipeline, fails, named, puts_out
from unit.testing.broken import AtTheFirstValue

VOTES = """\
kind: Model
metadata: {name: a}
spec: {storageUri: ./models/a}
---
kind: Pipeline
metadata: {name: votes}
spec:
  steps:
  - {name: a}
  - {name: b}
  - {name: c}
  - name: vote
    inputs: [a, b, c]
    inputsJoinType: JOIN
    tensorMap: {a.outputs.y: a, b.outputs.y: b, c.outputs.y: c}
  - {name: after, inputs: [vote]}
  output: {steps: [after]}
"""


def votes(join: str = "quorum(2)") -> SimulatedPipeline:
    return SimulatedPipeline(VOTES.replace("JOIN", join))


def test_nothing_happens_but_by_the_clock() -> None:
    pipeline = votes()
    pipeline.script("a", puts_out("y", after_ms=3))
    pipeline.script("b", puts_out("y", after_ms=9))
    pipeline.script("c", NEVER)
    request = pipeline.send()
    pipeline.advance(8.5)
    assert request.calls[3:] == ()
    assert not request.answered
    with pytest.raises(LookupError, match="no answer yet"):
        _ = request.answer
    with pytest.raises(LookupError, match="no answer yet"):
        _ = request.answered_ms
    pipeline.advance(0.5)
    assert request.calls[3:] == ("vote",)
    assert named(request.inputs("vote")) == [("a", "a.y"), ("b", "b.y")]
    assert request.joined_ms("vote") == 9.0
    pipeline.advance(2)
    assert named(request.answer) == [("y", "after.y")]
    assert (request.answered_ms, request.reasons) == (11.0, ())
    assert pipeline.clock.now_ms() == 11.0


def test_skips_come_with_their_reasons() -> None:
    pipeline = votes()
    pipeline.script("a", puts_out())
    pipeline.script("b", puts_out())
    request = pipeline.send()
    pipeline.run()
    assert isinstance(request.answer, Absent)
    assert list(request.skips) == ["vote", "after"]
    assert "fewer than 2 of the sources can be values" in request.skips["vote"]
    assert request.reasons[1] == ("after.outputs: step 'after' was skipped: vote.outputs is absent")
    assert request.failures == {}
    with pytest.raises(LookupError, match="step 'vote' has not run"):
        request.inputs("vote")


def test_failures_come_with_their_reasons() -> None:
    pipeline = votes("inner")
    pipeline.script("b", fails("overloaded", after_ms=5))
    request = pipeline.send()
    with pytest.raises(LookupError, match="not joined yet"):
        request.joined_ms("vote")
    pipeline.run()
    assert isinstance(request.answer, Failed)
    assert request.failures == dict.fromkeys(("b", "vote", "after"), "a model said overloaded")
    assert request.reasons == ("a model said overloaded",)
    assert request.joined_ms("vote") == 5.0
    assert request.skips == {}


def test_requests_are_apart_and_scripts_hold_from_then_on() -> None:
    pipeline = votes()
    first = pipeline.send("x")
    pipeline.advance(10)
    pipeline.script("a", fails())
    pipeline.script("b", fails())
    second = pipeline.send("x")
    pipeline.run()
    assert named(first.answer) == [("y", "after.y")]
    assert isinstance(second.answer, Failed)
    assert second.answered_ms == 1.0


def test_a_deadline_is_in_virtual_time() -> None:
    pipeline = votes("outer")
    pipeline.script("c", NEVER)
    request = pipeline.send(deadline_ms=500)
    pipeline.run()
    assert isinstance(request.answer, Failed)
    assert (request.answer.code, request.answered_ms) == ("deadline", 500.0)


def test_joins_are_given_by_the_name_that_the_manifest_writes() -> None:
    manifest = VOTES.replace("JOIN", "at-the-first-value")
    pipeline = SimulatedPipeline(manifest, {"at-the-first-value": AtTheFirstValue})
    pipeline.script("a", puts_out("y", after_ms=9))
    request = pipeline.send()
    pipeline.run()
    assert named(request.inputs("vote")) == [("b", "b.y")]


def test_retries_have_one_reaction_each() -> None:
    pipeline = SimulatedPipeline(
        VOTES.replace("JOIN", "inner").replace(
            "{name: a}\n  - {name: b}", "{name: a, retries: 2}\n  - {name: b}"
        )
    )
    pipeline.script("a", fails("overloaded", retriable=True), puts_out("y"))
    request = pipeline.send()
    pipeline.run()
    assert request.calls == ("a", "b", "c", "a", "vote", "after")


def test_a_step_that_is_not_there_cannot_be_scripted() -> None:
    with pytest.raises(LookupError, match="there is no step 'd'"):
        votes().script("d", NEVER)
    with pytest.raises(ValueError, match="at least one reaction"):
        votes().script("a")


def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="time does not go back"):
        votes().advance(-1)


def test_a_wrong_manifest_is_refused_as_everywhere() -> None:
    with pytest.raises(ProblemsError, match=r"<manifest>:13:20: .*there is no step 'd'"):
        SimulatedPipeline(VOTES.replace("[a, b, c]", "[a, b, d]"))
    with pytest.raises(PlanError, match=r"there is no join 'quorun'; did you mean 'quorum'"):
        votes("quorun(2)")
    with pytest.raises(PlanError, match=r"write quorum\(3\) at most"):
        votes("quorum(4)")


def test_one_pipeline_is_meant() -> None:
    two = (
        VOTES.replace("JOIN", "inner")
        + """---
kind: Pipeline
metadata: {name: other}
spec: {steps: [{name: z}], output: {steps: [z]}}
"""
    )
    with pytest.raises(ValueError, match="has the pipelines: votes, other; say which by name="):
        SimulatedPipeline(two)
    with pytest.raises(ValueError, match="there is no 'third'"):
        SimulatedPipeline(two, name="third")
    assert SimulatedPipeline(two, name="other").send().calls == ("z",)


def test_a_manifest_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "votes.yaml"
    path.write_text(VOTES.replace("JOIN", "any"))
    assert SimulatedPipeline(path).send().calls == ("a", "b", "c")
