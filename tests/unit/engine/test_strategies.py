"""Join strategies of others, and those that break the contract."""

from __future__ import annotations

import pytest

from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Run,
    Skip,
    SourceState,
    SourceView,
    Wait,
)
from penstock.core.records import Absent, Failed
from penstock.testing.scripts import NEVER, fails, named, puts_out
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


class Wordless(JoinStrategy):
    """Answers nothing at all."""

    def decide(self, view: JoinView) -> Decision:
        return None  # type: ignore[return-value]  # the mistake


class Doubled(JoinStrategy):
    """Takes a source twice."""

    def decide(self, view: JoinView) -> Decision:
        return Run((0, 0)) if view.sources[0].tensors else Wait()


class Empty(JoinStrategy):
    """Runs with nothing."""

    def decide(self, view: JoinView) -> Decision:
        return Run(())


class Backwards(JoinStrategy):
    """Names the sources in the wrong order."""

    reads_states_only = True

    def decide(self, view: JoinView) -> Decision:
        return Run((1, 0)) if all(source.tensors for source in view.sources) else Wait()


def test_strategy_may_wait_until_a_time() -> None:
    outcome = ran(joined("patient"), {"b": puts_out("y", after_ms=99.0)}, patient=Patient)
    assert outcome.at("c.inputs") == 31.0
    assert named(outcome.port("c.inputs")) == [("l", "a.y")]


def test_triggers_may_wait_until_a_time_as_inputs_may() -> None:
    spec = joined("inner", triggers=["t"], triggersJoinType="patient")
    spec["steps"].append({"name": "t"})
    outcome = ran(spec, patient=Patient)
    assert outcome.at("c.inputs") == 31.0
    assert named(outcome.port("c.inputs")) == [("l", "a.y"), ("r", "b.y")]


def test_the_earlier_of_two_times_is_waited_for_and_then_the_later() -> None:
    asked_ms: list[float] = []

    class Watched(Patient):
        def decide(self, view: JoinView) -> Decision:
            asked_ms.append(view.now_ms)
            return super().decide(view)

    class Twice(JoinStrategy):
        def decide(self, view: JoinView) -> Decision:
            for at_ms in (11.0, 21.0):
                if view.now_ms < at_ms:
                    return Wait(at_ms)
            return Run((0,))

    spec = joined("watched", triggers=["t"], triggersJoinType="twice")
    spec["steps"].append({"name": "t"})
    outcome = ran(spec, watched=Watched, twice=Twice)
    assert outcome.at("c.inputs") == 31.0
    assert sorted(set(asked_ms)) == [1.0, 11.0, 21.0, 31.0]


def test_strategy_that_waits_until_now_is_not_asked_for_ever() -> None:
    asked_ms: list[float] = []

    class Hurried(JoinStrategy):
        def decide(self, view: JoinView) -> Decision:
            asked_ms.append(view.now_ms)
            return Wait(view.now_ms) if len(asked_ms) < 10 else Skip("asked too often")

    outcome = ran(joined("hurried"), {"b": puts_out("y", after_ms=8.0)}, hurried=Hurried)
    said = "step 'c' was skipped: every source has ended and the join Hurried still waits"
    assert outcome.port("c.inputs") == Absent(said, "join-error")
    assert asked_ms == [1.0, 8.0]


def test_strategy_that_never_decides_is_ended() -> None:
    outcome = ran(joined("stubborn"), stubborn=Stubborn)
    assert isinstance(outcome.answer, Absent)
    assert (
        "every source has ended and the join Stubborn still waits"
        in (outcome.answers[0][1].details[0])
    )
    in_time = ran(joined("stubborn", window_ms=10), {"b": NEVER}, stubborn=Stubborn)
    assert in_time.at("c.inputs") == 11.0


@pytest.mark.parametrize(
    ("join", "said"),
    [
        (Broken, "the join Broken raised KeyError: 'oops'"),
        (Greedy, "the join Greedy wanted to run with [0, 1], not all of them values"),
        (Careless, "the join Careless answered Run(indexes=0, kept=())"),
        (Vague, "the join Vague answered Wait(until_ms='soon')"),
        (Wordless, "the join Wordless answered None"),
        (Doubled, "the join Doubled wanted to run with [0, 0], not all of them values"),
        (Empty, "the join Empty wanted to run with [], not all of them values"),
    ],
)
def test_strategy_that_breaks_the_contract_skips_and_says_so(
    join: type[JoinStrategy], said: str
) -> None:
    outcome = ran(joined("wrong"), wrong=join)
    skipped = Absent(f"step 'c' was skipped: {said}", "join-error")
    assert outcome.port("c.inputs") == skipped
    assert outcome.port("c.outputs") == skipped
    assert outcome.answers[0][1].details == (f"c.outputs: {skipped.reason}",)
    # What is wrong is the strategy, also where a source has failed.
    failed = ran(joined("wrong"), {"b": fails(after_ms=0.5)}, wrong=join)
    assert failed.port("c.inputs") == skipped


def test_a_skip_that_stands_on_sources_that_are_not_there_stands_on_all() -> None:
    class Lost(JoinStrategy):
        def decide(self, view: JoinView) -> Decision:
            return Skip("lost", because=(7,), cause="lost")

    assert ran(joined("lost"), lost=Lost).port("c.outputs") == Absent(
        "step 'c' was skipped: lost", "lost"
    )
    failed = ran(joined("lost"), {"a": fails()}, lost=Lost).port("c.outputs")
    assert failed == Failed("step-failed", "a model said step-failed", "a")


def test_strategy_that_waits_on_is_told_of_in_words() -> None:
    outcome = ran(joined("stubborn"), stubborn=Stubborn)
    said = "every source has ended and the join Stubborn still waits"
    assert outcome.port("c.inputs") == Absent(f"step 'c' was skipped: {said}", "join-error")
    late = ran(joined("stubborn", window_ms=10), {"b": NEVER}, stubborn=Stubborn, deadline_ms=99.0)
    said = "the join Stubborn still waited at the end of its window"
    assert late.port("c.inputs") == Absent(f"step 'c' was skipped: {said}", "join-expired")


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


def test_strategy_of_triggers_sees_times_and_instants() -> None:
    seen: list[JoinView] = []

    class Watcher(JoinStrategy):
        def decide(self, view: JoinView) -> Decision:
            seen.append(view)
            return Wait() if view.sources[1].ended_ms is None else Skip("seen")

    spec = joined("inner", triggers=["t", "u"], triggersJoinType="watcher")
    spec["steps"] += [{"name": "t"}, {"name": "u"}]
    scripts = {"b": NEVER, "t": puts_out("y", after_ms=3.0), "u": puts_out("y", after_ms=8.0)}
    ran(spec, scripts, watcher=Watcher)
    first, last = seen[0], seen[-1]
    assert [source.ended_ms for source in first.sources] == [None, None]
    assert [source.ended_ms for source in last.sources] == [3.0, 8.0]
    assert [source.instant for source in last.sources] == [2, 3]


def test_strategy_sees_markers_with_their_times_and_instants() -> None:
    seen: list[JoinView] = []

    class Watcher(JoinStrategy):
        def decide(self, view: JoinView) -> Decision:
            seen.append(view)
            return Wait() if any(source.ended_ms is None for source in view.sources) else Skip("ok")

    scripts = {"a": puts_out(after_ms=3.0), "b": fails(after_ms=8.0)}
    ran(joined("watcher"), scripts, watcher=Watcher)
    first, last = seen
    absent, still_open = first.sources
    assert absent == SourceView("a.outputs", SourceState.ABSENT, 3.0, 1, (), None)
    assert still_open == SourceView("b.outputs", SourceState.OPEN, None, None, (), None)
    failed = Failed("step-failed", "a model said step-failed", "b")
    assert last.sources[1] == SourceView("b.outputs", SourceState.FAILED, 8.0, 2, (), failed)
