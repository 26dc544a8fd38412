"""The joins that a test knows by name, without the plug-in runtime."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.contracts.join import JoinStrategy
from penstock.core.errors import NotFoundError
from penstock.core.nearest import did_you_mean
from penstock.joins.any import AnyJoin
from penstock.joins.first import FirstJoin
from penstock.joins.inner import InnerJoin
from penstock.joins.latest import LatestJoin
from penstock.joins.outer import OuterJoin
from penstock.joins.quorum import QuorumJoin
from penstock.joins.zip import ZipJoin


class Joins:
    """A registry of joins; ``more`` are put beside the built-in ones, or in their place."""

    def __init__(self, **more: Callable[..., JoinStrategy]) -> None:
        self._joins: dict[str, Callable[..., JoinStrategy]] = {
            "inner": InnerJoin,
            "outer": OuterJoin,
            "any": AnyJoin,
            "quorum": QuorumJoin,
            "first": FirstJoin,
            "latest": LatestJoin,
            "zip": ZipJoin,
            **more,
        }

    def get(self, name: str) -> Callable[..., JoinStrategy]:
        """What makes the join of that name. Raises NotFoundError with the nearest name."""
        if name not in self._joins:
            hint = did_you_mean(name, self._joins) or f"there are {', '.join(self._joins)}"
            raise NotFoundError(f"there is no join '{name}'; {hint}")
        return self._joins[name]
