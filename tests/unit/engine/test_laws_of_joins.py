"""What the engine sees to, whatever a join strategy answers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Run,
    Skip,
    SourceState,
    Wait,
)
from penstock.core.records import Absent, Body, Failed
from penstock.core.simulation import Outcome
from penstock.joins.any import AnyJoin
from penstock.joins.first import FirstJoin
from penstock.joins.inner import InnerJoin
from penstock.joins.outer import OuterJoin
from penstock.joins.quorum import QuorumJoin
from penstock.testing.arrivals import JOINED, LETTERS, Arrivals, arrivals
from penstock.testing.scripts import named
from penstock.testing.trial import STARTS_MS, carried_out

pytestmark = pytest.mark.hunt

DEADLINE_MS = 1000.0


class AnyAnswer(JoinStrategy):
    """Answers anything, lawful or not, but the same to the same view."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def decide(self, view: JoinView) -> Decision:
        states = [int(source.state) for source in view.sources]
        # Text, for the hashes of tuples are not those of another day.
        chance = random.Random(f"{self._seed} {states} {view.now_ms} {view.window_ended}")
        values = list(view.having(SourceState.VALUE))
        chance.shuffle(values)
        some = tuple(values[: chance.randint(0, len(values))])
        answers: list[object] = [
            *[Wait()] * 3,
            Wait(view.now_ms + chance.randint(-5, 30)),
            *[Run(some)] * 3,
            Run((*some, chance.randint(-1, len(states)))),
            Skip("so it said", chance.choice([None, (), some])),
            None,
        ]
        return chance.choice(answers)  # type: ignore[return-value]  # some are none


JOINS = [
    InnerJoin(),
    OuterJoin(),
    AnyJoin(),
    QuorumJoin(1, within_ms=20),
    FirstJoin(1, within_ms=20),
    None,
]
"""None stands for one that answers anything."""


def ends_of(outcome: Outcome) -> list[tuple[float, str, list[tuple[str, str]]]]:
    """When and how the join ended, all records of it."""
    return [(at_ms, kind_of(body), tensors_of(body)) for at_ms, body in outcome.ports[INPUTS]]


INPUTS = f"{JOINED}.inputs"


def kind_of(body: Body) -> str:
    """How a port ended, in a word."""
    if isinstance(body, Absent):
        return "absent"
    return "failed" if isinstance(body, Failed) else "value"


def tensors_of(body: Body) -> list[tuple[str, str]]:
    """Names and tokens, where there are tensors."""
    return named(body) if kind_of(body) == "value" else []


@pytest.mark.parametrize("join", JOINS, ids=lambda join: type(join).__name__)
@settings(max_examples=60, deadline=None)
@given(came=arrivals((1, 2, 3, 4), 50), seed=st.integers(0, 10_000))
def test_laws_that_hold_for_every_strategy(
    join: JoinStrategy | None, came: Arrivals, seed: int
) -> None:
    strategy = join or AnyAnswer(seed)
    outcome = carried_out(came, lambda: strategy, deadline_ms=DEADLINE_MS)
    # One visit has one outcome.
    [(at_ms, kind, tensors)] = ends_of(outcome)
    assert len(outcome.ports[f"{JOINED}.outputs"]) == len(outcome.answers) == 1
    calls = [made for made in outcome.calls if made.step == JOINED]
    assert len(calls) == (kind == "value")
    assert len(outcome.closed_ms) == 1
    # A window's end is an event of the clock.
    if came.window_end_ms is not None:
        assert at_ms <= STARTS_MS + came.window_end_ms
    assert at_ms <= STARTS_MS + DEADLINE_MS
    # Tensors come in the manifest's order, and only from sources that were values by then.
    values = [
        LETTERS[source]
        for record in came.records
        for source, end in record.ends
        if end is SourceState.VALUE and STARTS_MS + record.at_ms <= at_ms
    ]
    names = [name for name, _ in tensors]
    assert names == sorted(set(names) & set(values))
    # A duplicate changes nothing.
    again = carried_out(came, lambda: strategy, deadline_ms=DEADLINE_MS, again_after_ms=0.25)
    assert ends_of(again) == ends_of(outcome)
