"""Stories of the records that streams hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from penstock.core.contracts.join import SourceState
from penstock.core.contracts.transport import Delivery
from penstock.core.errors import PenstockError, StepFailedError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal.story import Story
from penstock.core.journal.visits import Visit, visits_of
from penstock.core.plan import Plan
from penstock.core.recordings.retelling import Recorded, retold
from penstock.core.records import Absent, Body, Failed, Headers, Port, Record
from penstock.core.request_headers import TRAVELLING_HEADERS
from penstock.core.simulation import tensor
from penstock.core.streams.headers import ANSWERED_HEADER, OMITTED_HEADER, REPLY_TO_HEADER
from unit.engine.running import compiled

IDENTITY = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
"""Of a request that came in at MADE_MS."""

NOTHING: Headers = {}
MADE_MS = 1_469_922_850_259.0
VALUE = (tensor("y"),)
NONE: Headers = {}
DIAMOND: dict[str, Any] = {
    "steps": [
        {"name": "left"},
        {"name": "right"},
        {"name": "join", "inputs": ["left", "right"]},
    ],
    "output": {"steps": ["join"]},
}


def at(
    after_ms: float, port: str, body: Body = VALUE, round_number: int = 0, headers: Headers = NONE
) -> Delivery:
    """A record that was written so long after the request came in."""
    step, _, side = port.rpartition(".")
    of = Port(step or None, "inputs" if side == "inputs" else "outputs")
    version = 0 if port == "inputs" else 1
    record = Record(
        IDENTITY, b"", "p", version, of, round_number, body, {}, headers, MADE_MS + 60_000.0
    )
    return Delivery("s", 0, 0, record, 0, MADE_MS + after_ms)


def answered(record: Record, request: InferenceRequest) -> InferenceResponse | PenstockError:
    body = record.body
    if isinstance(body, Absent | Failed):
        return StepFailedError(body.reason)
    return InferenceResponse("p", "1", request.id, body)


def told(
    plan: Plan | None, asked: Delivery | None, answer: Delivery | None, *ports: Delivery
) -> Story:
    recorded = Recorded(IDENTITY, "p", asked, answer, ports)
    return retold(recorded, plan, answered, TRAVELLING_HEADERS)


def plan_of(spec: dict[str, Any]) -> Plan:
    return replace(compiled(spec), record="all")


def visits(story: Story) -> dict[str | None, Visit]:
    return {visit.step: visit for visit in visits_of(story)}


ORDERS = [
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0],
    [3.0] * 8,
    [500.0, 500.0, 501.0, 502.0, 499.0, 500.0, 501.0, 500.0],
]


@pytest.mark.parametrize("after_ms", ORDERS)
def test_what_was_written_as_one_is_put_in_order(after_ms: list[float]) -> None:
    names = ["left.inputs", "right.inputs", "left.outputs", "right.outputs"]
    names += ["join.inputs", "join.outputs"]
    ports = [at(ms, name) for ms, name in zip(after_ms, names, strict=False)]
    story = told(plan_of(DIAMOND), at(after_ms[6], "inputs"), at(after_ms[7], "outputs"), *ports)
    placed = [str(record.port) for record in story.records]
    assert placed[0] == "inputs"
    assert placed[-3:] == ["join.inputs", "join.outputs", "outputs"]
    assert [each.at_ms for each in story.records] == sorted(each.at_ms for each in story.records)
    join = visits(story)["join"].join
    assert {source.state for source in join.sources} == {SourceState.VALUE}
    assert join.ended_by in ("left.outputs", "right.outputs")
    assert visits(story)["left"].join.ended_by == "p.inputs"


def test_an_any_join_keeps_what_came_long_after() -> None:
    spec = {
        **DIAMOND,
        "steps": [*DIAMOND["steps"][:2], {**DIAMOND["steps"][2], "inputsJoinType": "any"}],
    }
    story = told(
        plan_of(spec),
        at(0.0, "inputs"),
        at(11.0, "outputs"),
        at(10.0, "left.outputs"),
        at(11.0, "join.inputs"),
        at(11.0, "join.outputs"),
        at(900.0, "right.outputs"),
    )
    left, right = visits(story)["join"].join.sources
    assert (left.state, right.state) == (SourceState.VALUE, SourceState.OPEN)
    assert right.at_ms == MADE_MS + 900.0


def test_what_is_not_answered_is_open() -> None:
    story = told(plan_of(DIAMOND), at(5.0, "inputs"), None, at(6.0, "left.inputs"))
    assert (story.outcome, story.ended_ms, story.opened_ms) == (None, None, MADE_MS)
    assert visits(story)["right"].inputs is None


def test_it_ends_with_its_last_record() -> None:
    story = told(plan_of(DIAMOND), at(5.0, "inputs"), at(8.0, "outputs"), at(30.0, "right.outputs"))
    assert (story.answered_ms, story.ended_ms) == (MADE_MS + 8.0, MADE_MS + 30.0)


def test_duplicates_are_told_once_and_rounds_each() -> None:
    again = [at(1.0, "left.outputs"), at(2.0, "left.outputs"), at(3.0, "left.outputs", VALUE, 1)]
    story = told(plan_of(DIAMOND), at(0.0, "inputs"), None, *again)
    assert [(str(each.port), each.round) for each in story.records[1:]] == [
        ("left.outputs", 0),
        ("left.outputs", 1),
    ]


def test_another_version_has_no_plan() -> None:
    newer = replace(plan_of(DIAMOND), version=2)
    story = told(newer, at(0.0, "inputs"), at(1.0, "outputs"))
    assert (story.plan, story.version, visits(story)) == (None, 1, {})
    assert [str(each.port) for each in story.records] == ["inputs", "outputs"]


def test_who_waits_is_in_the_headers() -> None:
    for header, waits in ((REPLY_TO_HEADER, True), (ANSWERED_HEADER, True), ("x-other", False)):
        story = told(None, at(0.0, "inputs", headers={header: "1"}), None)
        assert story.asynchronous is not waits
        assert story.headers == {}
    story = told(None, at(0.0, "inputs", headers={"x-request-id": "theirs"}), None)
    assert story.headers == {"x-request-id": "theirs"}


def test_an_answer_alone_is_told() -> None:
    story = told(plan_of(DIAMOND), None, at(9.0, "outputs", Failed("step-failed", "why")))
    assert (story.outcome, story.request.tensors) == ("step-failed", ())


@pytest.mark.parametrize(("text", "omitted"), [("12", 12), ("", 0), ("much", 0), ("9" * 30, 0)])
def test_what_was_too_large_is_told(text: str, omitted: int) -> None:
    story = told(None, at(0.0, "inputs", headers={OMITTED_HEADER: text}), None)
    assert story.records[0].omitted == omitted
