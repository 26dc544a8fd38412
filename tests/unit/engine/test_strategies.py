"""Join strategies of others, and those that break the contract."""

from __future__ import annotations

import pytest

from penstock.core.contracts.join import Decision, JoinStrategy, JoinView, Run, Skip, Wait
from penstock.core.records import Absent
from penstock.testing.scripts import NEVER, named, puts_out
from unit.engine.running import joined, ran


class Patient(JoinStrategy):
    """Waits 30 ms, however the sources stand, and then takes what there is."""

    def decide(self, view: JoinView) -> Decision:
        ends_ms = view.opened_ms + 30.0
        if view.now_ms < ends_ms:
            return Wait(ends_ms)
        return Run(tuple(i for i, source in enumerate(view.sources) if source.tensors))


class Stubborn(JoinStrategy):
    """Never decides."""

    def decide(self, view: JoinView) -> Decision:
        return Wait()


class Broken(JoinStrategy):
    """Raises."""

    def decide(self, view: JoinView) -> Decision:
        raise KeyError("oops")


class Greedy(JoinStrategy):
    """Runs with sources that are not there."""

    def decide(self, view: JoinView) -> Decision:
        return Run((0, 1))


class Careless(JoinStrategy):
    """Forgets the comma of a tuple of one."""

    def decide(self, view: JoinView) -> Decision:
        return Run(0)  # type: ignore[arg-type]  # the mistake


class Vague(JoinStrategy):
    """Waits until nobody knows when."""

    def decide(self, view: JoinView) -> Decision:
        return Wait("soon")  # type: ignore[arg-type]  # the mistake


class Backwards(JoinStrategy):
    """Names the sources in the wrong order."""

    reads_states_only = True

    def decide(self, view: JoinView) -> Decision:
        return Run((1, 0)) if all(source.tensors for source in view.sources) else Wait()


def test_strategy_may_wait_until_a_time() -> None:
    outcome = ran(joined("patient"), {"b": puts_out("y", after_ms=99.0)}, patient=Patient)
    assert outcome.at("c.inputs") == 31.0
    assert named(outcome.port("c.inputs")) == [("l", "a.y")]


def test_strategy_that_never_decides_is_ended() -> None:
    outcome = ran(joined("stubborn"), stubborn=Stubborn)
    assert isinstance(outcome.answer, Absent)
    assert (
        "every source has ended and the join Stubborn still waits"
        in (outcome.answers[0][1].details[0])
    )
    in_time = ran(joined("stubborn", window_ms=10), {"b": NEVER}, stubborn=Stubborn)
    assert in_time.at("c.inputs") == 11.0


@pytest.mark.parametrize("join", [Broken, Greedy, Careless, Vague])
def test_strategy_that_breaks_the_contract_skips_and_says_so(join: type[JoinStrategy]) -> None:
    outcome = ran(joined("wrong"), wrong=join)
    assert isinstance(outcome.answer, Absent)
    assert f"the join {join.__name__}" in outcome.answers[0][1].details[0]


def test_tensors_come_in_the_manifests_order_whatever_the_strategy_says() -> None:
    outcome = ran(joined("backwards"), backwards=Backwards)
    assert named(outcome.port("c.inputs")) == [("l", "a.y"), ("r", "b.y")]


def test_strategy_sees_sources_times_and_instants() -> None:
    seen: list[JoinView] = []

    class Watcher(JoinStrategy):
        def decide(self, view: JoinView) -> Decision:
            seen.append(view)
            return Wait() if view.sources[1].ended_ms is None else Skip("seen")

    scripts = {"a": puts_out("y", after_ms=3.0), "b": puts_out("y", after_ms=8.0)}
    ran(joined("watcher", window_ms=40), scripts, deadline_ms=500.0, watcher=Watcher)
    first, last = seen
    assert [source.reference for source in first.sources] == ["a.outputs", "b.outputs"]
    assert (first.opened_ms, first.now_ms, first.window_end_ms, first.deadline_ms) == (
        3,
        3,
        43,
        500,
    )
    assert [source.ended_ms for source in last.sources] == [3.0, 8.0]
    assert [source.instant for source in last.sources] == [1, 2]
    assert named(last.sources[0].tensors) == [("l", "a.y")]
