"""The targets that calls name, kept for as long as they are current."""

from __future__ import annotations

from penstock.core.contracts.gateway import Gateway, Target


class TargetCache:
    """Looks a name up once, and again only after resources have changed.

    Only names that are there are kept, so that callers cannot fill it; at the bound it begins
    anew.
    """

    __slots__ = ("_gateway", "_known", "_limit")

    def __init__(self, gateway: Gateway, limit: int = 10_000) -> None:
        self._gateway = gateway
        self._limit = limit
        self._known: dict[tuple[str, str], Target] = {}

    def find(self, name: str, version: str) -> Target:
        """The target of ``name``; an empty version leaves it to the server. NotFoundError."""
        key = (name, version)
        target = self._known.get(key)
        if target is not None and target.current:
            return target
        self._known.pop(key, None)
        target = self._gateway.resolve(name, version=version or None)
        if len(self._known) >= self._limit:
            self._known.clear()
        self._known[key] = target
        return target
