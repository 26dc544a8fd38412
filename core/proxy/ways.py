"""What routes come to for a forwarder: destinations, and ways to them. Pure bookkeeping."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Destination,
    Endpoint,
    Share,
    Way,
)
from penstock.core.contracts.model import CopyPlace
from penstock.core.routing.route import Copies, Door, RouteBody, RouteKey, ServedModel
from penstock.core.routing.table import Switch

MODEL_SUFFIX: Final = ".model"

PLAIN_REST: Final = "http://"
PLAIN_GRPC: Final = "grpc://"


class Direct(NamedTuple):
    """A model whose agents are asked without a gateway: the name of its destination, and what
    that is."""

    name: str
    destination: Destination


class Ways:
    """What a forwarder is to know, and how that changes with the routes.

    ``host`` is that of the scheduler, where the door of its own process is. A destination that is
    no way's any more stays until :meth:`let_go` is told that nothing is under way to it.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._routes: dict[RouteKey, RouteBody] = {}
        self._direct: dict[str, Direct] = {}
        self._left: dict[str, None] = {}
        self._began = False

    @property
    def left(self) -> Collection[str]:
        """The destinations that no way goes to any more."""
        return self._left.keys()

    def direct(self, model: str) -> Direct | None:
        """Where requests to a model go past the gateways, None where they do not."""
        return self._direct.get(model)

    def turn(self, switches: Sequence[Switch]) -> Change:
        """What changes with these routes, nothing that requests may be under way to among what
        goes."""
        doors, models = not self._began, dict[str, None]()
        self._began = True
        for key, _, after in switches:
            if after is None:
                self._routes.pop(key, None)
            else:
                self._routes[key] = after.route.body
            doors = doors or key.kind == "door"
            if key.kind in ("copies", "model"):
                models[key.name] = None
        destinations: dict[str, Destination | None] = {}
        if doors:
            destinations[GATEWAYS] = Destination(tuple(self._doors()))
        ways: dict[str, Way | None] = {}
        for model in models:
            self._turn_model(model, destinations, ways)
        return Change(destinations, ways)

    def let_go(self, names: Iterable[str]) -> Change:
        """Have destinations go that no way goes to any more."""
        gone = [name for name in names if name in self._left]
        for name in gone:
            del self._left[name]
        return Change(dict.fromkeys(gone))

    def _turn_model(
        self,
        model: str,
        destinations: dict[str, Destination | None],
        ways: dict[str, Way | None],
    ) -> None:
        before, after = self._direct.get(model), self._found(model)
        if before == after:
            return
        if after is not None:
            self._direct[model] = after
            self._left.pop(after.name, None)
            destinations[after.name] = after.destination
        else:
            del self._direct[model]
        if before is not None and (after is None or after.name != before.name):
            self._left[before.name] = None
        if (before and before.name) != (after and after.name):
            way = None if after is None else Way((Share(after.name),))
            ways[model] = ways[model + MODEL_SUFFIX] = way

    def _found(self, model: str) -> Direct | None:
        """The agents that answer to a model, if all that have it do."""
        served = self._routes.get(RouteKey("model", model))
        copies = self._routes.get(RouteKey("copies", model))
        if not isinstance(served, ServedModel) or not isinstance(copies, Copies):
            return None
        if served.version != copies.version or not copies.places:
            return None
        if not all(map(_is_direct, copies.places)):
            return None
        version = str(served.version)
        endpoints = tuple(
            Endpoint(place.rest, place.rest, place.address, place.zone) for place in copies.places
        )
        return Direct(f"{model}/{version}", Destination(endpoints, version))

    def _doors(self) -> Iterable[Endpoint]:
        """The processes that answer to any name."""
        for key, body in sorted(_doors_in(self._routes).items()):
            door = body.with_host(self._host)
            rest = door.rest if door.rest.startswith(PLAIN_REST) else ""
            grpc = door.grpc if door.grpc.startswith(PLAIN_GRPC) else ""
            if rest or grpc:
                yield Endpoint(key, rest, grpc, door.zone)


def _doors_in(routes: Mapping[RouteKey, RouteBody]) -> dict[str, Door]:
    return {key.name: body for key, body in routes.items() if isinstance(body, Door)}


def _is_direct(place: CopyPlace) -> bool:
    """Whether a copy answers to the name and version of its model, over REST and gRPC, to whoever
    calls."""
    return place.rest.startswith(PLAIN_REST) and place.address.startswith(PLAIN_GRPC)
