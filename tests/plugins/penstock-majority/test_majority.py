"""The join ``majority`` keeps the laws of joins, and counts as it says."""

from __future__ import annotations

from penstock_majority import MajorityJoin

from penstock.testing import NEVER, JoinLaws, SimulatedPipeline, puts_out

MANIFEST = """\
kind: Pipeline
metadata: {name: votes}
spec:
  steps:
  - {name: a}
  - {name: b}
  - {name: c}
  - {name: vote, inputs: [a, b, c], inputsJoinType: majority}
  output: {steps: [vote]}
"""


class TestMajority(JoinLaws):
    join = MajorityJoin()


class TestMajorityOfThree(JoinLaws):
    join = MajorityJoin(at_least=3)


def test_two_of_three_are_enough() -> None:
    pipeline = SimulatedPipeline(MANIFEST, {"majority": MajorityJoin})
    pipeline.script("a", puts_out("u", after_ms=3))
    pipeline.script("b", NEVER)
    pipeline.script("c", puts_out("v", after_ms=8))
    request = pipeline.send()
    pipeline.run()
    assert request.joined_ms("vote") == 8


def test_without_two_it_is_skipped_with_a_reason() -> None:
    pipeline = SimulatedPipeline(MANIFEST, {"majority": MajorityJoin})
    pipeline.script("a", puts_out())
    pipeline.script("b", puts_out())
    request = pipeline.send()
    pipeline.run()
    assert "fewer than 2 sources can be values" in request.skips["vote"]
