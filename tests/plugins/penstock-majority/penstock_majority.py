"""The join ``majority``: more than half of the sources are enough."""

from __future__ import annotations

from collections.abc import Mapping

import penstock
from penstock.core.contracts import Decision, JoinStrategy, JoinView, Run, Skip, SourceState, Wait

penstock_api = 1


class MajorityJoin(JoinStrategy):
    """Runs as soon as more than half of the sources are values, and at least ``at_least``.

    Skipped as soon as that can no longer be, or when the window ends first; fails instead when one
    of the sources failed.
    """

    reads_states_only = True

    def __init__(self, at_least: int = 1) -> None:
        if at_least < 1:
            raise ValueError("at_least must be 1 or more")
        self._at_least = at_least

    def check(self, sources: tuple[str, ...]) -> None:
        if self._at_least > len(sources):
            raise ValueError(f"{self._at_least} of {len(sources)} sources can never be values")

    def decide(self, view: JoinView) -> Decision:
        wanted = max(self._at_least, len(view.sources) // 2 + 1)
        values = view.having(SourceState.VALUE)
        if len(values) >= wanted:
            return Run(values)
        if len(values) + len(view.having(SourceState.OPEN)) < wanted:
            return Skip(f"fewer than {wanted} sources can be values")
        if view.window_ended:
            return Skip(f"fewer than {wanted} sources were values in time", cause="join-expired")
        return Wait()


@penstock.hookimpl
def penstock_register_joins() -> Mapping[str, type[JoinStrategy]]:
    """Register ``majority``."""
    return {"majority": MajorityJoin}
