"""Models that agents are asked for without a gateway: a destination for each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import count
from typing import Final, NamedTuple

from penstock.core.contracts.forwarder import Destination, Endpoint
from penstock.core.contracts.model import CopyPlace
from penstock.core.routing.route import Copies, RouteBody, ServedModel

PLAIN: Final = ("http://", "grpc://")
SECURED: Final = ("https://", "grpcs://")


class Direct(NamedTuple):
    """A model whose agents are asked without a gateway: the name of its destination, and what
    that is."""

    name: str
    destination: Destination


class DirectModels:
    """Copies may come to a destination, and never go from one: fewer of them are another, so that
    what is under way to a destination that was left says when copies may go. It stays until
    :meth:`let_go` is told that there is nothing."""

    def __init__(self, spoken: tuple[str, ...] = PLAIN) -> None:
        """Of agents those are asked whose addresses begin with what is ``spoken``."""
        self._spoken = spoken
        self._direct: dict[str, Direct] = {}
        self._left: dict[str, None] = {}

    @property
    def left(self) -> Collection[str]:
        """The destinations that no model has any more."""
        return self._left.keys()

    def find(self, model: str) -> Direct | None:
        """Where requests to a model go past the gateways, None where they do not."""
        return self._direct.get(model)

    def turn(
        self, model: str, served: RouteBody | None, copies: RouteBody | None
    ) -> Destination | None:
        """A model is served so from now on; its destination where that is another, or more."""
        before, found = self._direct.pop(model, None), self._destination(served, copies)
        after = None
        if found is not None:
            after = self._direct[model] = Direct(self._name(model, before, found), found)
        if before is not None and (after is None or after.name != before.name):
            self._left[before.name] = None
        return None if after == before else found

    def let_go(self, names: Iterable[str]) -> list[str]:
        """Those of these destinations that go now."""
        gone = [name for name in names if name in self._left]
        for name in gone:
            del self._left[name]
        return gone

    def _destination(
        self, served: RouteBody | None, copies: RouteBody | None
    ) -> Destination | None:
        """The agents that answer to a model, if all that have it do."""
        if not isinstance(served, ServedModel) or not isinstance(copies, Copies):
            return None
        if served.version != copies.version or not copies.places:
            return None
        if not all(map(self._is_direct, copies.places)):
            return None
        endpoints = tuple(
            Endpoint(place.rest, place.rest, place.address, place.zone) for place in copies.places
        )
        return Destination(endpoints, str(served.version))

    def _is_direct(self, place: CopyPlace) -> bool:
        """Whether a copy answers to the name and version of its model, over REST and gRPC, to
        whoever calls."""
        return place.rest.startswith(self._spoken) and place.address.startswith(self._spoken)

    def _name(self, model: str, before: Direct | None, found: Destination) -> str:
        """What a destination is called: as before where nothing goes from it."""
        if before is not None and _has_all(found, before.destination):
            return before.name
        taken = {*self._left, None if before is None else before.name}
        names = (f"{model}/{found.version}{suffix}" for suffix in _suffixes())
        return next(name for name in names if name not in taken)


def _has_all(after: Destination, before: Destination) -> bool:
    """Whether nothing goes from a destination."""
    return after.version == before.version and set(before.endpoints) <= set(after.endpoints)


def _suffixes() -> Iterator[str]:
    yield ""
    yield from (f"/{number}" for number in count(2))
