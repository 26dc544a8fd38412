"""What the ports of other pipelines may bring to one that reads them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import TypeAlias

from penstock.core.manifests.externals import external_sources
from penstock.core.outcomes.choices import OTHERS
from penstock.core.outcomes.dials import Dial
from penstock.core.outcomes.player import REASON, made_by
from penstock.core.outcomes.ports import PortEnd, PortEnds
from penstock.core.plan import ExternalPort
from penstock.core.records import Absent, Body, Failed
from penstock.core.references import parse_tensor_key
from penstock.core.resources import Pipeline

Names: TypeAlias = Collection[str | None]
"""The tensors of a port that are read by name, with None for all of it."""

Brought: TypeAlias = Mapping[ExternalPort, PortEnd]
"""How each port that is read ended, as far as it is read."""


class Offers:
    """What one pipeline offers to a reader: ``ends`` are the ways in which its ports were seen to
    end, of which ``read`` says what the reader takes."""

    def __init__(
        self, pipeline: str, ends: Iterable[PortEnds], read: Mapping[ExternalPort, Names]
    ) -> None:
        self._read = {port: names for port, names in read.items() if port.pipeline == pipeline}
        unknown: PortEnds = tuple((port.port, PortEnd("value", (OTHERS,))) for port in self._read)
        self.brought: list[Brought] = []
        for each in tuple(ends) or (unknown,):
            known = dict(each)
            ways = [list(_as_read(known[p.port], names)) for p, names in self._read.items()]
            for together in product(*ways):
                brought = dict(zip(self._read, together, strict=True))
                if brought not in self.brought:
                    self.brought.append(brought)

    def records(self) -> Iterator[Offer]:
        """What is to be asked of each port."""
        for port in self._read:
            yield Offer(port, [brought[port] for brought in self.brought])


class Offer:
    """What is asked of one port, whose record can end in these ways."""

    def __init__(self, port: ExternalPort, ends: Sequence[PortEnd]) -> None:
        self.port = port
        states = {end.state for end in ends}
        values = [end.names for end in ends if end.state == "value"]
        names = list(dict.fromkeys(name for each in values for name in each))
        self._may_fail = "failed" in states and len(states) > 1
        self._may_be_absent = "absent" in states and bool(values)
        self._maybe = [
            name
            for name in names
            if not name.endswith(OTHERS) and not all(name in each for each in values)
        ]

    def body(self, end: PortEnd, ask: Callable[[Dial, bool], None]) -> Body:
        """The record of a port that ended so; ``ask`` is told of each dial, how it stands."""
        text = str(self.port)
        if self._may_fail:
            ask(Dial("fails", text), end.state == "failed")
        if end.state == "failed":
            return Failed("step-failed", REASON, text)
        if self._may_be_absent:
            ask(Dial("silent", text), end.state == "absent")
        if end.state == "absent":
            return Absent(f"{text} is absent", "absent")
        for name in self._maybe:
            ask(Dial("left-out", text, 0, name), name not in end.names)
        return made_by(text, end.names or (f"{text}{OTHERS}",))


def read_of(pipeline: Pipeline) -> dict[ExternalPort, set[str | None]]:
    """What a pipeline takes of each port of others, by name or by renaming it."""
    read: dict[ExternalPort, set[str | None]] = {}
    for each in external_sources(pipeline):
        port = ExternalPort(each.source.pipeline, each.source.port)
        read.setdefault(port, set()).add(each.source.tensor)
    section = pipeline.spec.input
    for key in () if section is None else section.tensor_map:
        source = parse_tensor_key(key, pipeline=pipeline.name, external=True)
        read[ExternalPort(source.pipeline, source.port)].add(source.tensor)
    return read


def _as_read(end: PortEnd, names: Names) -> Iterator[PortEnd]:
    """How a port ended for who reads these names of it. Names that may be among those that nothing
    is known of are once there, and once not."""
    if end.state != "value":
        yield end
        return
    unknown = any(name.endswith(OTHERS) for name in end.names)
    wanted = sorted(name for name in names if name is not None)
    known = tuple(name for name in end.names if None in names or name in wanted)
    unsure = [name for name in wanted if name not in known] if unknown else []
    for choice in product((True, False), repeat=len(unsure)):
        there = (name for name, is_there in zip(unsure, choice, strict=True) if is_there)
        yield PortEnd("value", (*known, *there))
