"""The built-in joins by name, without the plug-in runtime."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.contracts.join import JoinStrategy
from penstock.core.errors import NotFoundError
from penstock.joins.any import AnyJoin
from penstock.joins.first import FirstJoin
from penstock.joins.inner import InnerJoin
from penstock.joins.outer import OuterJoin
from penstock.joins.quorum import QuorumJoin


class Joins:
    """A registry of joins; ``more`` are put beside the built-in ones."""

    def __init__(self, **more: Callable[..., JoinStrategy]) -> None:
        self._joins: dict[str, Callable[..., JoinStrategy]] = {
            "inner": InnerJoin,
            "outer": OuterJoin,
            "any": AnyJoin,
            "quorum": QuorumJoin,
            "first": FirstJoin,
            **more,
        }

    def get(self, name: str) -> Callable[..., JoinStrategy]:
        if name not in self._joins:
            raise NotFoundError(f"there is no join '{name}'")
        return self._joins[name]
