"""What the steps of a pipeline want of its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from penstock.core.port_types.arrivals import Arrival, Arrivals
from penstock.core.port_types.fit import common
from penstock.core.port_types.flow import Flow
from penstock.core.port_types.pipeline_types import PortType
from penstock.core.port_types.reading import Reader
from penstock.core.problems import KeyPath
from penstock.core.signature import TensorSpec


class Demand(NamedTuple):
    """A tensor of the pipeline's input, as one reader wants it; the path is where it reads it.

    ``sure`` says that no request is answered without it: what is read by name may be left out of
    a request to have a step skipped.
    """

    spec: TensorSpec
    reader: Reader
    path: KeyPath
    sure: bool = False


class Demands:
    """All demands, in the order of the steps. ``flow`` starts from an input that is not known."""

    def __init__(self, readers: Sequence[Reader], flow: Flow) -> None:
        self._complete = True
        self._flow = flow
        self.all: list[Demand] = []
        """Every demand."""
        for reader in readers:
            self.all += self._of_triggers(reader)
            self.all += self._of_inputs(reader)

    @property
    def request(self) -> PortType:
        """What a request must hold: each tensor once, with what is known of it."""
        wanted: dict[str, TensorSpec] = {}
        for demand in self.all:
            known = wanted.get(demand.spec.name)
            wanted[demand.spec.name] = demand.spec if known is None else common(known, demand.spec)
        return PortType(tuple(wanted.values()), self._complete)

    @property
    def sure(self) -> frozenset[str]:
        """The tensors that every request has that is answered."""
        return frozenset(demand.spec.name for demand in self.all if demand.sure)

    def _of_triggers(self, reader: Reader) -> Iterator[Demand]:
        for reference in reader.triggers:
            if reference.source.tensor is not None:
                for arrival in self._flow.brought(reference, certain=reader.gated).tensors:
                    yield from _of_name(arrival, reader)

    def _of_inputs(self, reader: Reader) -> Iterator[Demand]:
        arrivals = self._flow.into(reader)
        takes = {spec.name: spec for spec in reader.signature.inputs or ()}
        for arrival in arrivals.tensors:
            yield from _of_name(arrival, reader, takes.get(arrival.spec.name))
        if reader.step is None:
            return
        if reader.signature.inputs is None:
            self._complete &= not any(each.of_request for each in arrivals.openings)
        for wanted in takes.values():
            # A request is there first: where it is one of alternatives, it comes alone.
            if reader.alternatives or not arrivals.named(wanted.name):
                yield from self._of_opening(wanted, reader, arrivals)

    def _of_opening(
        self, wanted: TensorSpec, reader: Reader, arrivals: Arrivals
    ) -> Iterator[Demand]:
        """The demand for a tensor that the request must bring, as no other source is known to."""
        openings = arrivals.openings_for(wanted.name)
        of_request = [opening for opening in openings if opening.of_request]
        if not of_request:
            return
        if len(of_request) < len(openings) and not reader.alternatives:
            # A model of which nothing is known may bring it as well.
            self._complete = False
            return
        name = of_request[0].original_name(wanted.name)
        assert name is not None, "it is an opening for this name"
        sure = not wanted.optional and reader.always_runs
        yield Demand(replace(wanted, name=name), reader, of_request[0].path, sure)


def _of_name(
    arrival: Arrival, reader: Reader, wanted: TensorSpec | None = None
) -> Iterator[Demand]:
    """The demand for a tensor of the input that a reference names."""
    if arrival.requested is not None:
        spec = wanted or TensorSpec(arrival.requested)
        optional = arrival.spec.optional
        spec = replace(spec, name=arrival.requested, optional=optional)
        yield Demand(spec, reader, arrival.path)
