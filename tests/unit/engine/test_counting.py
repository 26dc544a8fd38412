"""What the engine counts, and what calls share of their request."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.contracts.model import CallOrigin
from penstock.core.contracts.transport import Ownership
from penstock.core.engine import Call, Engine, Passage
from penstock.core.records import Failed, Tensors
from penstock.core.tensors import Tensor
from penstock.testing.scripts import tensor
from unit.engine.running import CHAIN, compiled, joined

GIVEN: Tensors = (tensor("x"),)


class Counts:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.noted: list[tuple[Any, ...]] = []

    def rest_ms(self, step: int, left_ms: float) -> float:
        return 0.0

    def count_batch(self, step: int, rows: int) -> None:
        self.noted.append(("batch", step, rows))

    def count_dropped(self, step: int) -> None:
        self.noted.append(("dropped", step))

    def count_skip(self, consumer: int, cause: str) -> None:
        self.noted.append(("skip", consumer, cause))

    def count_failure(self, step: int, code: str) -> None:
        self.noted.append(("failure", step, code))

    def count_retry(self, again: Call, failed: Failed) -> None:
        self.noted.append(("retry", again.plan.index, again.attempt, failed.code))


class Bench:
    """One request in an engine, driven by hand."""

    def __init__(
        self,
        spec: dict[str, Any],
        *,
        deadline_ms: float = 1000.0,
        given: Tensors = GIVEN,
    ) -> None:
        self.counts = Counts()
        self.engine = Engine(lambda: 0.5)
        self.out: list[Any] = []
        self.plan = compiled(spec)
        self.deadline_ms = deadline_ms
        self.passage = self.open("id", given)

    def open(self, identity: str, given: Tensors) -> Passage:
        passage = Passage(
            self.plan,
            identity,
            0.0,
            self.deadline_ms,
            "mine",
            {"p": 1},
            {"x-a": "b"},
            self.counts,
            "context",
            key=b"k",
            ownership=Ownership("g", "s", 0, 7),
        )
        self.engine.open(passage, given, self.out)
        return passage

    @property
    def calls(self) -> list[Call]:
        return [effect for effect in self.out if isinstance(effect, Call)]


def test_calls_share_what_belongs_to_the_request() -> None:
    bench = Bench(CHAIN)
    (call,) = bench.calls
    origin = call.origin
    assert isinstance(origin, CallOrigin)
    assert (origin.identity, origin.request_id) == ("id", "mine")
    assert (origin.parameters, origin.headers) == ({"p": 1}, {"x-a": "b"})
    assert (call.passage.context, call.passage.key) == ("context", b"k")
    assert call.passage.ownership == Ownership("g", "s", 0, 7)
    assert (call.attempt, call.round, call.deadline_ms, call.issued_ms) == (1, 0, 1000.0, 0.0)


def test_a_failure_is_counted_where_it_began() -> None:
    bench = Bench(CHAIN)
    bench.engine.done(bench.calls[0], Failed("overloaded", "no"), 1.0, bench.out)
    assert bench.counts.noted == [("failure", 0, "overloaded")]


def test_skips_are_counted_with_their_cause() -> None:
    bench = Bench(CHAIN)
    bench.engine.done(bench.calls[0], (), 1.0, bench.out)
    assert bench.counts.noted == [("skip", 1, "absent"), ("skip", 2, "absent")]


def test_at_the_deadline_what_is_at_work_is_counted_with_its_code() -> None:
    bench = Bench(joined("inner"))
    bench.engine.tick(1000.0, bench.out)
    assert bench.counts.noted == [("failure", 0, "deadline"), ("failure", 1, "deadline")]


def test_nothing_is_counted_of_a_request_that_was_cancelled() -> None:
    bench = Bench(joined("inner"))
    bench.engine.cancel(bench.passage, 5.0, bench.out)
    assert bench.counts.noted == []


def test_retries_are_counted() -> None:
    steps = [{"name": "a", "retries": 1}, {"name": "b", "inputs": ["a"]}]
    spec = {"steps": steps, "output": {"steps": ["b"]}}
    bench = Bench(spec)
    bench.engine.done(bench.calls[0], Failed("overloaded", "no", None, True), 1.0, bench.out)
    assert bench.counts.noted == [("retry", 0, 2, "overloaded")]
    bench.engine.tick(51.0, bench.out)
    again = bench.calls[-1]
    assert (again.attempt, again.issued_ms, again.deadline_ms) == (2, 51.0, 1000.0)
    bench.engine.done(again, Failed("overloaded", "no", None, True), 60.0, bench.out)
    assert bench.counts.noted == [("retry", 0, 2, "overloaded"), ("failure", 0, "overloaded")]


def test_a_window_that_ends_is_counted_as_such() -> None:
    bench = Bench(joined("inner", window_ms=10))
    bench.engine.done(bench.calls[0], (tensor("y"),), 1.0, bench.out)
    bench.engine.tick(11.0, bench.out)
    assert bench.counts.noted[0] == ("skip", 2, "join-expired")


@pytest.mark.parametrize("outcome", [(), Failed("step-failed", "no")])
def test_an_outcome_of_an_attempt_that_is_over_says_that_it_does_not_count(
    outcome: tuple[()] | Failed,
) -> None:
    bench = Bench(CHAIN)
    call = bench.calls[0]
    assert bench.engine.done(call, (tensor("y"),), 1.0, bench.out)
    assert not bench.engine.done(call, outcome, 2.0, bench.out)
    assert len(bench.calls) == 2


def batching(*, size: int) -> dict[str, Any]:
    step = {"name": "a", "batch": {"size": size, "windowMs": 5}}
    return {"steps": [step], "output": {"steps": ["a"]}}


def of_rows(count: int) -> Tensor:
    return Tensor("x", "INT32", (count, 1), bytes(4 * count))


@pytest.mark.parametrize(("rows", "size", "at_ms"), [(3, 2, 0.0), (3, 3, 0.0), (3, 8, 5.0)])
def test_rows_of_a_call_for_one_are_counted(rows: int, size: int, at_ms: float) -> None:
    """It is too big to share, it fills a call, or nobody else came in its window."""
    bench = Bench(batching(size=size), given=(of_rows(rows),))
    bench.engine.tick(at_ms, bench.out)
    assert [call.issued_ms for call in bench.calls] == [at_ms]
    assert bench.counts.noted == [("batch", 0, rows)]


def test_a_call_without_rows_is_not_counted_among_those_that_have_some() -> None:
    bench = Bench(batching(size=8), given=(Tensor("x", "INT32", (), bytes(4)),))
    assert len(bench.calls) == 1
    assert bench.counts.noted == []


def test_rows_of_a_shared_call_are_counted_and_of_each_that_is_made_again() -> None:
    bench = Bench(batching(size=5), given=(of_rows(2),))
    bench.open("other", (of_rows(3),))
    (shared,) = bench.calls
    assert bench.counts.noted == [("batch", 0, 5)]
    bench.engine.done(shared, Failed("step-failed", "no"), 1.0, bench.out)
    assert bench.counts.noted == [("batch", 0, 5), ("batch", 0, 2), ("batch", 0, 3)]
