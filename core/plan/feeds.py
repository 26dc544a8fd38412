"""What the record of each port means to each consumer: the edges of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from penstock.core.plan.graph import Feed, JoinPlan, Part
from penstock.core.records import Absent, Port
from penstock.core.references import Source, parse_tensor_key


class Seat(NamedTuple):
    """A consumer at a place: the sources that it joins there, and how.

    ``tensor_map`` is that of its manifest; ``joins`` are those of the inputs and of the triggers,
    made for these very sources.
    """

    place: int
    inputs: tuple[Source, ...]
    triggers: tuple[Source, ...]
    tensor_map: Mapping[str, str]
    joins: tuple[JoinPlan, JoinPlan | None]

    @property
    def direct(self) -> bool:
        """Whether it runs as soon as its only source is a value."""
        return self.joins[0].runs_on_value and self.joins[1] is None


Feeds: TypeAlias = Mapping[Port, Mapping[int, Feed]]
"""The feeds of each port, by the place of the consumer."""


def feeds_of(seats: Iterable[Seat], pipeline: str) -> Feeds:
    """For each port, what its record means to each seat, in the order of the seats."""
    parts: dict[Port, dict[int, tuple[list[Part], list[Part]]]] = {}
    direct = set()
    for seat in seats:
        if seat.direct:
            direct.add(seat.place)
        for side, sources in enumerate((seat.inputs, seat.triggers)):
            # Trigger data is not passed on, so nothing of it is renamed.
            tensor_map = {} if side else seat.tensor_map
            for position, source in enumerate(sources):
                of_port = parts.setdefault(source.port, {}).setdefault(seat.place, ([], []))
                of_port[side].append(_part(position, source, tensor_map, pipeline))
    return {
        port: {
            place: _feed(place, tuple(inputs), tuple(triggers), place in direct)
            for place, (inputs, triggers) in by_place.items()
        }
        for port, by_place in parts.items()
    }


def may_clash(sources: Sequence[Source], tensor_map: Mapping[str, str], pipeline: str) -> bool:
    """Whether tensors of one name can come together, as far as the references tell."""
    if len(sources) == 1:
        return sources[0].tensor is None and bool(_renames(sources[0], tensor_map, pipeline))
    names = [
        None
        if source.tensor is None
        else _renames(source, tensor_map, pipeline).get(source.tensor, source.tensor)
        for source in sources
    ]
    return None in names or len(set(names)) != len(names)


def _feed(place: int, inputs: tuple[Part, ...], triggers: tuple[Part, ...], direct: bool) -> Feed:
    whole = direct and inputs[0].tensor is None and inputs[0].renames is None
    return Feed(place, inputs, triggers, direct, whole)


def _part(position: int, source: Source, tensor_map: Mapping[str, str], pipeline: str) -> Part:
    renames = _renames(source, tensor_map, pipeline)
    if source.tensor is None:
        return Part(position, None, None, renames or None, Absent("it holds no tensor"))
    if source.step is None:
        lacks = f"the request has no tensor '{source.tensor}'"
    elif source.side == "inputs":
        lacks = f"no tensor '{source.tensor}' went into step '{source.step}'"
    else:
        lacks = f"step '{source.step}' put out no tensor '{source.tensor}'"
    absent = Absent(lacks, "left-out")
    return Part(position, source.tensor, renames.get(source.tensor), None, absent)


def _renames(source: Source, tensor_map: Mapping[str, str], pipeline: str) -> dict[str, str]:
    """The new names of the tensors that come by ``source``."""
    renames = {}
    for key, new_name in tensor_map.items():
        meant = parse_tensor_key(key, pipeline=pipeline)
        if source.covers(meant) and meant.tensor is not None:
            renames[meant.tensor] = new_name
    return renames
