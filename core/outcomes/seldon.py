"""How Seldon Core 2 joins what this project joins by ``inner``, as far as it is documented."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Run,
    Skip,
    SourceState,
    Wait,
)
from penstock.core.joinspec import JoinFactories


class SeldonInnerJoin(JoinStrategy):
    """Inner over sources, where of several tensors of one source any will do."""

    order_free = True
    reads_states_only = True

    def __init__(self) -> None:
        self._groups: tuple[tuple[int, ...], ...] = ()

    def check(self, sources: tuple[str, ...]) -> None:
        groups: dict[str, list[int]] = {}
        for i, text in enumerate(sources):
            groups.setdefault(".".join(text.split(".")[:2]), []).append(i)
        self._groups = tuple(tuple(group) for group in groups.values())

    def decide(self, view: JoinView) -> Decision:
        states = [{view.sources[i].state for i in group} for group in self._groups]
        for group, found in zip(self._groups, states, strict=True):
            if found == {SourceState.ABSENT}:
                reference = view.sources[group[0]].reference
                return Skip(f"{reference} is absent", because=(group[0],))
        if any(SourceState.OPEN in found for found in states):
            if view.window_ended:
                return Skip("a source did not come before the window ended", cause="join-expired")
            return Wait()
        failed = view.having(SourceState.FAILED)
        if failed:
            return Skip(f"{view.sources[failed[0]].reference} failed", because=failed)
        return Run(view.having(SourceState.VALUE))


class SeldonJoins:
    """The joins of a registry, with that one in the place of ``inner``."""

    def __init__(self, joins: JoinFactories) -> None:
        self._joins = joins

    def get(self, name: str) -> Callable[..., JoinStrategy]:
        """What makes the join of that name. Raises NotFoundError with the nearest name."""
        return SeldonInnerJoin if name == "inner" else self._joins.get(name)
