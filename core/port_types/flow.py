"""Follows tensors along the edges of a pipeline, from what its input is known to hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from penstock.core.port_types.arrivals import Arrival, Arrivals, Opening
from penstock.core.port_types.lengths import Lengths
from penstock.core.port_types.pipeline_types import PortType
from penstock.core.port_types.reading import Reader, Reference
from penstock.core.references import Source
from penstock.core.signature import TensorSpec

UNKNOWN_PORT = PortType((), complete=False)


class Flow:
    """What comes into every reader, and what comes out of every step.

    ``request`` is what is known of the pipeline's input, and ``sure`` which of its tensors every
    request has; the others may be missing where the input is read whole.
    """

    def __init__(
        self, readers: Sequence[Reader], request: PortType, sure: Collection[str] = ()
    ) -> None:
        self._request = request
        self._sure = sure
        self._arrivals: dict[str | None, Arrivals] = {}
        self._outputs = {each.step: _put_out(each.signature.outputs) for each in readers}
        self.lengths: dict[str | None, Lengths] = {}
        """For each reader, what is known of the lengths that signatures have names for."""
        for reader in _sources_first(readers):
            arrivals = self._join(reader)
            lengths = Lengths(reader, arrivals)
            self._arrivals[reader.step] = arrivals
            self.lengths[reader.step] = lengths
            known, complete = self._outputs[reader.step]
            self._outputs[reader.step] = PortType(tuple(map(lengths.filled_in, known)), complete)

    def into(self, reader: Reader) -> Arrivals:
        """What comes into a reader by its inputs."""
        return self._arrivals[reader.step]

    def out_of(self, step: str | None) -> PortType:
        """What comes out of a step."""
        return self._outputs[step]

    def port(self, source: Source, reference: Reference) -> Arrivals:
        """What the port of a source holds, under the names that tensors have there."""
        if source.kind == "input":
            return self._of_request(reference)
        if source.side == "inputs":
            # In a circle it may not have been looked at yet: nothing is known of it then.
            return self._arrivals.get(
                source.step, Arrivals((), (Opening(reference.path, of_request=False),))
            )
        port = self.out_of(source.step)
        tensors = tuple(
            Arrival(spec, f"{source.port_text}.{spec.name}", reference.path, source.step)
            for spec in port.tensors
        )
        openings = () if port.complete else (Opening(reference.path, of_request=False),)
        return Arrivals(tensors, openings)

    def brought(self, reference: Reference, *, certain: bool) -> Arrivals:
        """What one reference brings into its reader, under the names that tensors have there."""
        source = reference.source
        port = self.port(source, reference)
        if source.tensor is not None:
            port = Arrivals((_one_of(port, source.tensor, reference),))
        return Arrivals(
            tuple(each.read_by(reference, certain=certain) for each in port.tensors),
            tuple(each.read_by(reference) for each in port.openings),
        )

    def _join(self, reader: Reader) -> Arrivals:
        brought = [self.brought(each, certain=reader.certain) for each in reader.inputs]
        return Arrivals(
            tuple(arrival for each in brought for arrival in each.tensors),
            tuple(opening for each in brought for opening in each.openings),
        )

    def _of_request(self, reference: Reference) -> Arrivals:
        source = reference.source
        tensors = tuple(
            Arrival(
                replace(spec, optional=spec.optional or spec.name not in self._sure),
                f"{source.port_text}.{spec.name}",
                reference.path,
                requested=spec.name,
            )
            for spec in self._request.tensors
        )
        complete = self._request.complete
        return Arrivals(tensors, () if complete else (Opening(reference.path, of_request=True),))


def _put_out(outputs: tuple[TensorSpec, ...] | None) -> PortType:
    return UNKNOWN_PORT if outputs is None else PortType(outputs, complete=True)


def _one_of(port: Arrivals, name: str, reference: Reference) -> Arrival:
    """The tensor of a port that is wanted by name: the first, or one that nothing is known of.

    The latter also where the port is known not to hold it, which is found once, at the reference.
    """
    named = port.named(name)
    if named:
        return named[0]
    openings = port.openings_for(name)
    of_request = bool(openings) and openings[0].of_request
    requested = openings[0].original_name(name) if of_request else None
    return Arrival(TensorSpec(name), "", reference.path, requested=requested)


def _sources_first(readers: Sequence[Reader]) -> Iterator[Reader]:
    """The readers, each after those that it reads; last those of circles, as written."""
    left = {reader.step: reader for reader in readers}
    sorter: TopologicalSorter[str | None] = TopologicalSorter()
    for reader in readers:
        sources = (each.source for each in reader.inputs)
        sorter.add(reader.step, *(each.step for each in sources if each.kind == "step"))
    # A circle holds up itself and what reads it; the rest is given out all the same.
    with suppress(CycleError):
        sorter.prepare()
    while ready := sorter.get_ready():
        for step in ready:
            yield left.pop(step)
        sorter.done(*ready)
    yield from left.values()
