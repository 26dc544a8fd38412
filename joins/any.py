"""``any``: the first value is enough."""

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


class AnyJoin(JoinStrategy):
    """Runs once, at the first value, with all the values of that instant.

    Skipped when every source is absent or the window ends; fails when no source can be a value
    any more and one of them failed.
    """

    reads_states_only = True

    def decide(self, view: JoinView) -> Decision:
        values = view.having(SourceState.VALUE)
        if values:
            return Run(values)
        if view.having(SourceState.OPEN):
            if not view.window_ended:
                return Wait()
            return Skip("no source was a value when the window ended", cause="join-expired")
        return Skip("every source is absent")


@hookimpl
def penstock_register_joins() -> Mapping[str, type[JoinStrategy]]:
    """Register ``any``."""
    return {"any": AnyJoin}
