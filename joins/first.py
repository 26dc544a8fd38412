"""``first``: the first sources of the manifest, and others where those do not come."""

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


class FirstJoin(JoinStrategy):
    """Prefers the first ``n`` sources in the manifest's order, and falls back to those after them.

    It always runs with exactly ``n`` values.

    - While one of the preferred sources is open it waits, for ``within_ms`` milliseconds from the
      visit's opening (the end of its first source or trigger) at most, and without ``within_ms``
      for as long as that source is open. It waits also when another of the preferred is absent or
      failed already, or when ``n`` others are values: a preferred source that comes is taken.
    - When all of the preferred have ended, or that time is over, it runs at once if ``n`` sources
      are values, with the first ``n`` of them in the manifest's order. All of the preferred being
      values is such a case. If fewer are values, it runs as soon as ``n`` are, in the same way.
    - ``within_ms`` ends the wait for the preferred only; the wait for a fall-back goes on. The end
      of the step's window (``joinWindowMs``) ends both: it then runs with the first ``n`` values
      there are, or is skipped (``join-expired``) when fewer are.
    - As soon as fewer than ``n`` sources can still be values, no run is possible any more, and it
      is skipped. Every skip is a failure instead when one of the sources has failed by then.
    """

    def __init__(self, n: int = 1, within_ms: float | None = None) -> None:
        self._n = count_of("n", n)
        self._within_ms = duration_ms("withinMs", within_ms)
        self.reads_states_only = self._within_ms is None

    def check(self, sources: tuple[str, ...]) -> None:
        check_enough_sources("first", self._n, sources)

    def decide(self, view: JoinView) -> Decision:
        values = view.having(SourceState.VALUE)
        still_open = view.having(SourceState.OPEN)
        if len(values) + len(still_open) < self._n:
            return Skip(f"fewer than {self._n} of the sources can be values")
        if not view.window_ended:
            prefers_an_open_one = bool(still_open) and still_open[0] < self._n
            until_ms = None if self._within_ms is None else view.opened_ms + self._within_ms
            if prefers_an_open_one and (until_ms is None or view.now_ms < until_ms):
                return Wait(until_ms)
        if len(values) >= self._n:
            return Run(values[: self._n])
        if not view.window_ended:
            return Wait()
        return Skip(
            f"{len(values)} of the {self._n} values that it takes had come when the window ended",
            cause="join-expired",
        )


@hookimpl
def penstock_register_joins() -> Mapping[str, type[JoinStrategy]]:
    """Register ``first``."""
    return {"first": FirstJoin}
