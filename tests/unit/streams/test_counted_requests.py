"""Requests whose records a join numbers are finished when these have their numbers, not before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core.contracts.transport import Delivery, Output, Ownership
from penstock.core.dataflow import Deployment
from penstock.core.engine import Answer, ExternalPassage, Passage
from penstock.core.metrics import Metrics
from penstock.core.plan import Feed, Plan
from penstock.core.records import Absent, Body, Failed, Port, Record
from penstock.core.simulation import tensor
from penstock.core.state import StateChange
from penstock.core.streams import (
    Batch,
    StreamedPipeline,
    StreamLimits,
    StreamNames,
    StreamRequest,
    Tenure,
    Turnstile,
)
from unit.engine.running import compiled

OWNERSHIP = Ownership("g", "s", 0, 1)


class Hands:
    """Notes what a tenure asks for, and answers nothing by itself."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.given_back: list[int] = []
        self.passages: list[Passage] = []
        self.restored = 0

    def restore(self, streams: Sequence[str] | Plan, *more: object) -> None:
        self.restored += 1

    def take(self, limit: int) -> None: ...

    def stop_taking(self) -> None: ...

    def finish(self, batch: Batch) -> None:
        self.batches.append(batch)

    def publish(self, request: StreamRequest, call: Output) -> None: ...

    def pump_later(self) -> None: ...

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        self.given_back += [each.offset for each in deliveries]

    def drained(self) -> None: ...


class Carrier:
    """Runs nothing: the test says how requests end."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []

    def begin(self, passage: Passage, given: Body, position: int | None = None) -> None:
        assert position == len(self.passages), "its place is its offset"
        self.passages.append(passage)

    def refuse(self, passage: Passage, failed: Failed) -> None: ...

    def bring(self, passage: ExternalPassage, feed: Feed, body: Body, *, begins: bool) -> None: ...

    def end_join(self, passage: ExternalPassage) -> None: ...

    def cancel(self, passage: Passage) -> None:
        close(passage)

    def room_in(self, plan: Plan, partition: int) -> int:
        return 10

    def restore(
        self, plan: Plan, ownership: Ownership, changes: Mapping[str, Sequence[StateChange]]
    ) -> None: ...

    def release(self, ownership: Ownership) -> None: ...


def close(passage: Passage) -> None:
    passenger = passage.context
    passenger.closed()  # type: ignore[attr-defined]  # a passenger, which the engine knows nothing of


def end(passage: Passage) -> None:
    passage.left = 0
    answer = Answer(passage, Absent("nothing"))
    passage.context.answered(answer, 0.0)  # type: ignore[attr-defined]  # likewise
    close(passage)


def delivery(offset: int) -> Delivery:
    record = Record(
        f"r{offset}",
        b"k",
        "p",
        0,
        Port(None, "inputs"),
        0,
        (tensor("x"),),
        {},
        {"x-who": "k"},
        100.0,
    )
    return Delivery("s", 0, offset, record, 1, 0.0)


def working(*, exactly_once: bool) -> tuple[Tenure, Hands, Carrier]:
    """A tenure that has three requests under way."""
    plan = compiled(
        {
            "input": {"key": "x-who"},
            "steps": [
                {"name": "j", "inputs": ["p.inputs.x", "p.inputs.y"], "inputsJoinType": "zip"}
            ],
            "output": {"steps": ["j"]},
        }
    )
    deployment = Deployment(plan, (), Metrics().tally(plan))
    pipeline = StreamedPipeline(
        deployment, StreamNames(), StreamLimits(), exactly_once=exactly_once
    )
    hands, carrier = Hands(), Carrier()
    tenure = Tenure(pipeline, OWNERSHIP, hands, carrier, Turnstile(), lambda: 0.0)
    tenure.pump()
    assert hands.restored == 1
    tenure.restored({})
    tenure.taken([delivery(0), delivery(1), delivery(2)])
    return tenure, hands, carrier


def acknowledge(tenure: Tenure, hands: Hands, seen: int) -> None:
    """Have all batches after ``seen`` written, and those that follow from that."""
    while seen < len(hands.batches):
        seen += 1
        tenure.finished(hands.batches[seen - 1])


def finished(batches: list[Batch]) -> list[int]:
    return [each.offset for batch in batches for each in batch.deliveries]


def test_a_request_is_finished_when_those_before_it_have_ended() -> None:
    tenure, hands, carrier = working(exactly_once=False)
    first, second, third = carrier.passages
    end(second)
    [answered] = hands.batches
    assert [output.record.identity for output in answered.outputs] == ["r1"]
    assert answered.deliveries == [], "what it brought has no number yet"
    acknowledge(tenure, hands, 0)
    end(first)
    acknowledge(tenure, hands, 1)
    assert sorted(finished(hands.batches)) == [0, 1]
    end(third)
    acknowledge(tenure, hands, len(hands.batches) - 1)
    assert sorted(finished(hands.batches)) == [0, 1, 2]
    assert tenure.in_hand == 0


def test_exactly_once_writes_nothing_of_it_before() -> None:
    tenure, hands, carrier = working(exactly_once=True)
    end(carrier.passages[1])
    assert hands.batches == []
    end(carrier.passages[0])
    acknowledge(tenure, hands, 0)
    assert sorted(finished(hands.batches)) == [0, 1]


def test_what_has_no_number_yet_goes_to_the_next_owner() -> None:
    tenure, hands, carrier = working(exactly_once=True)
    end(carrier.passages[1])
    tenure.close()
    tenure.abandon()
    assert sorted(hands.given_back) == [0, 1, 2]
    assert hands.batches == []
    assert tenure.in_hand == 0
