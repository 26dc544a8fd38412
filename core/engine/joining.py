"""Asking a join strategy, and holding it to the laws of joins whatever it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from penstock.core.contracts.join import (
    Decision,
    JoinView,
    Run,
    Skip,
    SourceState,
    SourceView,
    Wait,
)
from penstock.core.engine.join_state import JoinState, Verdict
from penstock.core.engine.passage import Gate, Passage
from penstock.core.engine.timers import NEVER
from penstock.core.plan import JoinPlan
from penstock.core.records import Absent, Body, Failed
from penstock.core.references import owner_of

if TYPE_CHECKING:
    from penstock.core.engine.keeping import KeyedJoin

MOST_REMEMBERED: Final = 4096
"""Decisions remembered per join; a wider join than that needs asks again."""


def view_of(state: JoinState, gate: Gate, now_ms: float, *, window_ended: bool) -> JoinView:
    """The join as its strategy is shown it."""
    plan = state.plan
    looks_at_all = plan.decisions is None
    sources = tuple(
        _source_view(
            reference,
            state.ends[i],
            state.ended_ms[i] if looks_at_all else None,
            state.instants[i] if looks_at_all else None,
        )
        for i, reference in enumerate(plan.references)
    )
    return JoinView(
        sources,
        gate.opened_ms,
        now_ms,
        gate.window_end_ms,
        window_ended,
        gate.passage.deadline_ms,
    )


def _source_view(
    reference: str, end: Body | None, ended_ms: float | None, instant: int | None
) -> SourceView:
    if end is None:
        return SourceView(reference, SourceState.OPEN, None, None, (), None)
    if isinstance(end, Failed):
        return SourceView(reference, SourceState.FAILED, ended_ms, instant, (), end)
    if isinstance(end, Absent):
        return SourceView(reference, SourceState.ABSENT, ended_ms, instant, (), None)
    return SourceView(reference, SourceState.VALUE, ended_ms, instant, end, None)


def decide(state: JoinState, gate: Gate, now_ms: float) -> float:
    """Set ``state.verdict`` if the join is decided now; else say when to ask again at the latest.

    The answer is a time in milliseconds, infinity when only a record can change anything. A skip
    that stands on a source that failed becomes that failure here.
    """
    plan = state.plan
    window_ended = gate.window_over
    decisions = plan.decisions
    if decisions is None:
        view = view_of(state, gate, now_ms, window_ended=window_ended)
        if plan.kept is not None:
            return _decide_over_state(cast("KeyedJoin", state), gate, view)
        decision = ask(plan, view)
    else:
        situation = (state.states << 1) | window_ended
        known = decisions.get(situation)
        if known is None:
            known = ask(plan, view_of(state, gate, now_ms, window_ended=window_ended))
            if len(decisions) < MOST_REMEMBERED:
                decisions[situation] = known
        decision = known
    return _decided(state, gate, decision, window_ended=window_ended)


def _decided(state: JoinState, gate: Gate, decision: Decision, *, window_ended: bool) -> float:
    if type(decision) is Run:
        state.verdict = decision
        if window_ended:
            _note_missing(state, gate.passage)
    elif type(decision) is Skip:
        state.verdict = failure_behind(decision, state.ends) or decision
    elif type(decision) is Wait and decision.until_ms is not None:
        return decision.until_ms
    return NEVER


def _decide_over_state(state: KeyedJoin, gate: Gate, view: JoinView) -> float:
    """Decide a join that is shown what other requests have brought, too."""
    view = state.seen(view)
    decision = ask(state.plan, view)
    until_ms = _decided(state, gate, decision, window_ended=view.window_ended)
    if type(decision) is Run:
        state.take_kept(decision, view)
    if state.verdict is not None:
        state.store.decided(state.kept_in, state)
    return until_ms


def _note_missing(state: JoinState, passage: Passage) -> None:
    """Name what a join goes on without since its window has ended."""
    passage.go_without(
        owner_of(reference) for reference, end in state.by_reference() if end is None
    )


def failure_behind(skip: Skip, ends: list[Body | None]) -> Failed | None:
    """The first failure, in the manifest's order, among the sources that a skip stands on."""
    standing_on = range(len(ends)) if skip.because is None else sorted(skip.because)
    for position in standing_on:
        end = ends[position]
        if isinstance(end, Failed):
            return end
    return None


def ask(plan: JoinPlan, view: JoinView) -> Decision:
    """The strategy's decision, or what the laws put in its place: of these very types, no others.

    A strategy that raises, or that answers with what is no decision, is skipped with that said:
    one broken plug-in must not take the worker down, nor leave a request without an end.
    """
    name = type(plan.strategy).__name__
    try:
        decision = cast(object, plan.strategy.decide(view))
    except Exception as error:
        return Skip(f"the join {name} raised {type(error).__name__}: {error}", (), "join-error")
    try:
        return _lawful(decision, view, name, keeps_state=plan.strategy.keep is not None)
    except (TypeError, ValueError):  # what is in it is not of the types that it has, as in Run(0)
        return Skip(f"the join {name} answered {decision!r}", (), "join-error")


def _lawful(decision: object, view: JoinView, name: str, *, keeps_state: bool) -> Decision:
    if isinstance(decision, Run):
        chosen = decision.indexes
        kept = dict(decision.kept)
        wrong = [i for i in chosen if not _is_there(view, i, kept.get(i))]
        wrong += [i for i in kept if i not in chosen]
        if wrong or not chosen or len(set(chosen)) != len(chosen):
            return Skip(
                f"the join {name} wanted to run with {list(chosen)}, not all of them values",
                (),
                "join-error",
            )
        return Run(tuple(sorted(chosen)), tuple(sorted(kept.items())))
    if isinstance(decision, Skip):
        count = len(view.sources)
        if decision.because is not None and not all(0 <= i < count for i in decision.because):
            return Skip(decision.reason, None, decision.cause)
        return Skip(*decision)
    if not isinstance(decision, Wait):
        return Skip(f"the join {name} answered {decision!r}", (), "join-error")
    if view.window_ended:
        return Skip(f"the join {name} still waited at the end of its window", None, "join-expired")
    # Where other requests bring something, waiting makes sense as long as this one's time lasts.
    still_open = keeps_state or any(source.state is SourceState.OPEN for source in view.sources)
    in_future = decision.until_ms is not None and decision.until_ms > view.now_ms
    if not still_open and not in_future:
        return Skip(f"every source has ended and the join {name} still waits", None, "join-error")
    return Wait(decision.until_ms) if in_future else Wait()


def _is_there(view: JoinView, source: int, kept: int | None) -> bool:
    """Whether a run can have this source: its own value, or the kept record that is named."""
    if not 0 <= source < len(view.sources):
        return False
    if kept is None:
        return view.sources[source].state is SourceState.VALUE
    return 0 <= kept < len(view.sources[source].kept)


def combine(inputs: Verdict | None, triggers: Verdict | None) -> Verdict | None:
    """The verdict of a visit from those of its two joins, None while it is not reached.

    Skip wins over fail, so a failure of one join waits for the verdict of the other. Who runs,
    runs with the inputs that the inputs' join chose.
    """
    if isinstance(inputs, Skip):
        return inputs
    if isinstance(triggers, Skip):
        return triggers
    if inputs is None or triggers is None:
        return None
    if isinstance(triggers, Failed) and not isinstance(inputs, Failed):
        return triggers
    return inputs
