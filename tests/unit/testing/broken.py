"""Joins that break a law each, as an author may well write them."""

from __future__ import annotations

from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Run,
    Skip,
    SourceState,
    Wait,
)


class AtTheFirstValue(JoinStrategy):
    """A good one, which the others spoil: runs with the values at the first, skipped without."""

    def decide(self, view: JoinView) -> Decision:
        values = view.having(SourceState.VALUE)
        if values:
            return Run(values)
        if view.having(SourceState.OPEN) and not view.window_ended:
            return Wait()
        return Skip("no source is a value")


class Counting(AtTheFirstValue):
    """Remembers, and runs only for the first request that it sees."""

    def __init__(self) -> None:
        self._ran = False

    def decide(self, view: JoinView) -> Decision:
        if self._ran:
            return Skip("it has run")
        decision = super().decide(view)
        self._ran = isinstance(decision, Run)
        return decision


CALLS: list[JoinView] = []


class Fickle(AtTheFirstValue):
    """Keeps what it remembers where no copy of it is another one."""

    def decide(self, view: JoinView) -> Decision:
        CALLS.append(view)
        return Skip("not this time") if len(CALLS) == 1 else super().decide(view)


class Greedy(AtTheFirstValue):
    """Runs with every source once there are two values."""

    def decide(self, view: JoinView) -> Decision:
        if len(view.having(SourceState.VALUE)) == 2:
            return Run(tuple(range(len(view.sources))))
        return super().decide(view)


class Raising(AtTheFirstValue):
    """Takes the failure of a source for granted."""

    def decide(self, view: JoinView) -> Decision:
        if len(view.having(SourceState.ABSENT)) == 1:
            raise view.sources[0].failure or KeyError("failure")  # type: ignore[misc]  # the mistake
        return super().decide(view)


class Careless(AtTheFirstValue):
    """Forgets the comma of a tuple of one."""

    def decide(self, view: JoinView) -> Decision:
        return Run(0) if view.having(SourceState.VALUE) else super().decide(view)  # type: ignore[arg-type]  # the mistake


class Twofold(AtTheFirstValue):
    """Names a source twice."""

    def decide(self, view: JoinView) -> Decision:
        decision = super().decide(view)
        return Run(decision.indexes * 2) if isinstance(decision, Run) else decision


class Empty(AtTheFirstValue):
    """Runs with nothing."""

    def decide(self, view: JoinView) -> Decision:
        decision = super().decide(view)
        return Run(()) if isinstance(decision, Skip) else decision


class Silent(AtTheFirstValue):
    """Gives no reason."""

    def decide(self, view: JoinView) -> Decision:
        decision = super().decide(view)
        return Skip("") if isinstance(decision, Skip) else decision


class Astray(AtTheFirstValue):
    """Stands on a source too many."""

    def decide(self, view: JoinView) -> Decision:
        decision = super().decide(view)
        if isinstance(decision, Skip):
            return decision._replace(because=(len(view.sources),))
        return decision


class Speechless(AtTheFirstValue):
    """Forgets to return."""

    def decide(self, view: JoinView) -> Decision:
        if view.having(SourceState.FAILED):
            return None  # type: ignore[return-value]  # the mistake
        return super().decide(view)


class Stubborn(AtTheFirstValue):
    """Waits although its window has ended."""

    def decide(self, view: JoinView) -> Decision:
        if view.having(SourceState.OPEN) and not view.having(SourceState.VALUE):
            return Wait()
        return super().decide(view)


class Hopeful(AtTheFirstValue):
    """Waits although nothing can come."""

    def decide(self, view: JoinView) -> Decision:
        return super().decide(view) if view.having(SourceState.VALUE) else Wait()


class Forgetful(AtTheFirstValue):
    """Gives up after 7 ms, but does not say that it wants to be asked then."""

    def decide(self, view: JoinView) -> Decision:
        decision = super().decide(view)
        if isinstance(decision, Wait) and view.now_ms >= view.opened_ms + 7:
            return Skip("it took too long")
        return decision


class Clockwatcher(AtTheFirstValue):
    """Declares that it looks at states only, and looks at the clock."""

    reads_states_only = True

    def decide(self, view: JoinView) -> Decision:
        if view.now_ms > view.opened_ms + 2:
            return Skip("it took too long")
        return super().decide(view)


class Nosy(AtTheFirstValue):
    """Declares that it looks at states only, and looks at the instants."""

    reads_states_only = True

    def decide(self, view: JoinView) -> Decision:
        decision = super().decide(view)
        if isinstance(decision, Run):
            return Run(tuple(i for i in decision.indexes if view.sources[i].instant)[:1] or (0,))
        return decision


class Patient(AtTheFirstValue):
    """Declares that it looks at states only, and waits until a time."""

    reads_states_only = True

    def decide(self, view: JoinView) -> Decision:
        decision = super().decide(view)
        return Wait(view.opened_ms + 50.0) if isinstance(decision, Wait) else decision


class Hasty(AtTheFirstValue):
    """Declares that the order does not matter, and takes what comes first."""

    order_free = True


class Soothing(AtTheFirstValue):
    """Calls it a skip when everything failed."""

    def decide(self, view: JoinView) -> Decision:
        decision = super().decide(view)
        return decision._replace(because=()) if isinstance(decision, Skip) else decision
