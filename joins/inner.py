"""``inner``: every source must be a value."""

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

penstock_api = 1


class InnerJoin(JoinStrategy):
    """Runs as soon as every source is a value; skipped as soon as one is absent.

    An absence decides over a failure, so a failure waits for the other sources to end.
    """

    order_free = True
    reads_states_only = True

    def decide(self, view: JoinView) -> Decision:
        absent = view.having(SourceState.ABSENT)
        if absent:
            first = absent[0]
            return Skip(f"{view.sources[first].reference} is absent", because=(first,))
        still_open = view.having(SourceState.OPEN)
        failed = view.having(SourceState.FAILED)
        if still_open:
            if not view.window_ended:
                return Wait()
            late = ", ".join(view.sources[i].reference for i in still_open)
            return Skip(
                f"{late} did not come before the window ended",
                because=still_open + failed,
                cause="join-expired",
            )
        if failed:
            return Skip(f"{view.sources[failed[0]].reference} failed", because=failed)
        return Run(tuple(range(len(view.sources))))


@hookimpl
def penstock_register_joins() -> Mapping[str, type[JoinStrategy]]:
    """Register ``inner``."""
    return {"inner": InnerJoin}
