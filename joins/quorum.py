"""``quorum``: n sources are enough, whichever come first."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Run,
    Skip,
    SourceState,
    Wait,
)
from penstock.core.plugins import hookimpl
from penstock.joins.arguments import check_enough_sources, count_of, duration_ms

penstock_api = 1


class QuorumJoin(JoinStrategy):
    """Runs as soon as ``n`` sources are values, with all the values of that instant.

    That may be more than ``n``: sources that one record ends come together. As soon as fewer than
    ``n`` can still be values, no run is possible any more: the step fails when one of the sources
    has failed by then, and is skipped when all those that are missing are absent. This holds for
    a quorum of all sources too; there ``inner`` differs, under which an absence decides over a
    failure.

    ``within_ms`` bounds the wait: that many milliseconds after the visit's opening (the end of its
    first source or trigger) it ends as at the end of a window. Fewer than ``n`` values are then a
    skip (``join-expired``), or a failure when one of the sources has failed. A window of the step
    (``joinWindowMs``) does the same; the earlier of the two counts.
    """

    def __init__(self, n: int, within_ms: float | None = None) -> None:
        self._n = count_of("n", n)
        self._within_ms = duration_ms("withinMs", within_ms)
        self.reads_states_only = self._within_ms is None

    def check(self, sources: tuple[str, ...]) -> None:
        check_enough_sources("quorum", self._n, sources)

    def decide(self, view: JoinView) -> Decision:
        values = view.having(SourceState.VALUE)
        if len(values) >= self._n:
            return Run(values)
        if len(values) + len(view.having(SourceState.OPEN)) < self._n:
            return Skip(f"fewer than {self._n} of the sources can be values")
        ends_ms = None if self._within_ms is None else view.opened_ms + self._within_ms
        if view.window_ended or (ends_ms is not None and view.now_ms >= ends_ms):
            return Skip(
                f"{len(values)} of the {self._n} values that it takes had come when the time to "
                "wait was over",
                cause="join-expired",
            )
        return Wait(ends_ms)


@hookimpl
def penstock_register_joins() -> Mapping[str, type[JoinStrategy]]:
    """Register ``quorum``."""
    return {"quorum": QuorumJoin}
