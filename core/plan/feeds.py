"""What the record of each port means to each consumer: the edges of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from penstock.core.plan.graph import ExternalPort, Feed, JoinPlan, Part
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


Sides: TypeAlias = tuple[list[Part], list[Part]]
"""What a port brings to the inputs of a consumer, and what to its triggers."""

Feeds: TypeAlias = Mapping[Port, Mapping[int, Feed]]
"""The feeds of each port, by the place of the consumer."""


def feeds_of(seats: Iterable[Seat], pipeline: str) -> Feeds:
    """For each port, what its record means to each seat, in the order of the seats."""
    parts: dict[Port, dict[int, Sides]] = {}
    direct = set()
    for seat in seats:
        if seat.direct:
            direct.add(seat.place)
        for source, side, part in _parts(seat, pipeline):
            of_port = parts.setdefault(source.port, {}).setdefault(seat.place, ([], []))
            of_port[side].append(part)
    return {
        port: {place: _feed(place, sides, place in direct) for place, sides in by_place.items()}
        for port, by_place in parts.items()
    }


def external_feeds(seat: Seat, pipeline: str) -> dict[ExternalPort, Feed]:
    """What the record of each port of another pipeline means to the input section."""
    parts: dict[ExternalPort, Sides] = {}
    for source, side, part in _parts(seat, pipeline):
        port = ExternalPort(source.pipeline, source.port)
        parts.setdefault(port, ([], []))[side].append(part)
    return {port: _feed(seat.place, sides, seat.direct) for port, sides in parts.items()}


def _parts(seat: Seat, pipeline: str) -> Iterator[tuple[Source, int, Part]]:
    """Each source of a seat, whether it is an input (0) or a trigger (1), and what it takes."""
    for side, sources in enumerate((seat.inputs, seat.triggers)):
        # Trigger data is not passed on, so nothing of it is renamed.
        tensor_map = {} if side else seat.tensor_map
        for position, source in enumerate(sources):
            yield source, side, _part(position, source, tensor_map, pipeline)


def may_clash(sources: Sequence[Source], tensor_map: Mapping[str, str], pipeline: str) -> bool:
    """Whether tensors of one name can come together, as far as the references tell."""
    if len(sources) == 1:
        source = sources[0]
        # What went into another step may have clashed there: it fails for that, and so do we.
        of_a_step = source.step is not None and source.side == "inputs"
        # An output may hold two tensors of one name.
        of_an_output = source.kind == "external" and source.step is None
        renamed = bool(_renames(source, tensor_map, pipeline))
        return source.tensor is None and (renamed or of_a_step or of_an_output)
    names = [
        None
        if source.tensor is None
        else _renames(source, tensor_map, pipeline).get(source.tensor, source.tensor)
        for source in sources
    ]
    return None in names or len(set(names)) != len(names)


def _feed(place: int, sides: Sides, direct: bool) -> Feed:
    inputs, triggers = sides
    whole = direct and inputs[0].tensor is None and inputs[0].renames is None
    return Feed(place, tuple(inputs), tuple(triggers), direct, whole)


def _part(position: int, source: Source, tensor_map: Mapping[str, str], pipeline: str) -> Part:
    renames = _renames(source, tensor_map, pipeline)
    if source.tensor is None:
        return Part(position, None, None, renames or None, Absent("it holds no tensor"))
    if source.kind == "external":
        lacks = f"'{source.port_text}' holds no tensor '{source.tensor}'"
    elif source.step is None:
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
    external = source.kind == "external"
    for key, new_name in tensor_map.items():
        meant = parse_tensor_key(key, pipeline=pipeline, external=external)
        if source.covers(meant) and meant.tensor is not None:
            renames[meant.tensor] = new_name
    return renames
