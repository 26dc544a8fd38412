"""``outer``: the values there are, once every source has ended."""

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


class OuterJoin(JoinStrategy):
    """Runs with the values there are when all sources have ended or the window does.

    Skipped when no source is a value by then; the first failure decides at once.
    """

    order_free = True
    reads_states_only = True

    def decide(self, view: JoinView) -> Decision:
        failed = view.having(SourceState.FAILED)
        if failed:
            return Skip(f"{view.sources[failed[0]].reference} failed", because=failed)
        still_open = view.having(SourceState.OPEN)
        if still_open and not view.window_ended:
            return Wait()
        values = view.having(SourceState.VALUE)
        if values:
            return Run(values)
        if still_open:
            return Skip("no source had come when the window ended", cause="join-expired")
        return Skip("every source is absent")


@hookimpl
def penstock_register_joins() -> Mapping[str, type[JoinStrategy]]:
    """Register ``outer``."""
    return {"outer": OuterJoin}
