"""What routes come to for a forwarder: destinations, and ways to them. Pure bookkeeping."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Destination,
    Endpoint,
    Share,
    Way,
)
from penstock.core.proxy.direct import PLAIN, SECURED, Direct, DirectModels
from penstock.core.proxy.splits import EXPERIMENT_SUFFIX, MODEL_SUFFIX, Splits
from penstock.core.routing.route import Door, RouteBody, RouteKey, ServedExperiment
from penstock.core.routing.table import Switch


class Ways:
    """What a forwarder is to know, and how that changes with the routes.

    ``host`` is that of the scheduler, where the door of its own process is. A destination that was
    left stays until :meth:`let_go` is told that nothing is under way to it. ``over_tls`` says
    whether the forwarder can ask processes that speak TLS; without it they are left out.
    """

    def __init__(self, host: str, *, over_tls: bool = False) -> None:
        self._host = host
        self._spoken = (*PLAIN, *SECURED) if over_tls else PLAIN
        self._routes: dict[RouteKey, RouteBody] = {}
        self._models = DirectModels(self._spoken)
        self._splits = Splits()
        self._told: dict[str, Way] = {}
        self._began = False

    @property
    def left(self) -> Collection[str]:
        """The destinations that no way goes to any more."""
        return self._models.left

    def direct(self, model: str) -> Direct | None:
        """Where requests to a model go past the gateways, None where they do not."""
        return self._models.find(model)

    def turn(self, switches: Sequence[Switch]) -> Change:
        """What changes with these routes, nothing that requests may be under way to among what
        goes."""
        for key, _, after in switches:
            if after is None:
                self._routes.pop(key, None)
            else:
                self._routes[key] = after.route.body
        destinations: dict[str, Destination | None] = {}
        kinds = {each.key.kind for each in switches}
        if "door" in kinds or not self._began:
            destinations[GATEWAYS] = Destination(tuple(self._doors()))
        self._began = True
        names: dict[str, None] = {}
        for key, _, _ in switches:
            if key.kind in ("copies", "model"):
                names.update(dict.fromkeys(self._turn_model(key.name, destinations)))
            elif key.kind == "experiment":
                names.update(dict.fromkeys(self._turn_experiment(key)))
        return Change(destinations, dict(self._changed(names)))

    def let_go(self, names: Iterable[str]) -> Change:
        """Have destinations go that no way goes to any more."""
        return Change(dict.fromkeys(self._models.let_go(names)))

    def _turn_model(self, model: str, destinations: dict[str, Destination | None]) -> Iterator[str]:
        """Take note of a model; the names whose ways may be others."""
        served = self._routes.get(RouteKey("model", model))
        copies = self._routes.get(RouteKey("copies", model))
        changed = self._models.turn(model, served, copies)
        direct = self._models.find(model)
        if changed is not None and direct is not None:
            destinations[direct.name] = changed
        yield from (model, model + MODEL_SUFFIX)
        yield from self._splits.touched(model)

    def _turn_experiment(self, key: RouteKey) -> Iterable[str]:
        body = self._routes.get(key)
        return self._splits.put(key.name, body if isinstance(body, ServedExperiment) else None)

    def _changed(self, names: Iterable[str]) -> Iterator[tuple[str, Way | None]]:
        """The ways of names that are others than they were."""
        for name in names:
            before, after = self._told.pop(name, None), self._way(name)
            if after is not None:
                self._told[name] = after
            if after != before:
                yield name, after

    def _way(self, name: str) -> Way | None:
        bare = name.removesuffix(EXPERIMENT_SUFFIX)
        if bare != name:
            return self._splits.way(bare, self._destination)
        over = self._splits.over(name)
        if over is not None:
            return self._splits.way(over, self._destination)
        destination = self._destination(name.removesuffix(MODEL_SUFFIX))
        return None if destination is None else Way((Share(destination),))

    def _destination(self, model: str) -> str | None:
        direct = self._models.find(model)
        return None if direct is None else direct.name

    def _doors(self) -> Iterator[Endpoint]:
        """The processes that answer to any name."""
        doors = {key.name: body for key, body in self._routes.items() if isinstance(body, Door)}
        for name, body in sorted(doors.items()):
            door = body.with_host(self._host)
            rest = door.rest if door.rest.startswith(self._spoken) else ""
            grpc = door.grpc if door.grpc.startswith(self._spoken) else ""
            if rest or grpc:
                yield Endpoint(name, rest, grpc, door.zone)
