"""The edges from ports of other pipelines into the input of one that reads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from penstock.core.manifests.findings import Finding
from penstock.core.port_types.arrivals import Arrival, Arrivals, Opening
from penstock.core.port_types.checks import findings_of_flow
from penstock.core.port_types.flow import UNKNOWN_PORT, Flow
from penstock.core.port_types.pipeline_types import PipelineTypes, PortType
from penstock.core.port_types.reading import Reader, Reference, entrance_of
from penstock.core.references import Source
from penstock.core.resources import Pipeline
from penstock.core.signature import Signature, TensorSpec

TypesOf: TypeAlias = Callable[[str], PipelineTypes | None]
"""The types of a pipeline by name, None where nothing is known."""


def external_findings(
    pipeline: Pipeline, types: PipelineTypes, types_of: TypesOf
) -> tuple[Finding, ...]:
    """What does not fit between a pipeline's input and the ports of others that it reads.

    ``types`` are its own. What is not known is checked nowhere.
    """
    wanted = tuple(_wanted(spec, types) for spec in types.input.tensors)
    entrance = entrance_of(pipeline, Signature(wanted))
    if entrance is None:
        return ()
    return tuple(findings_of_flow((entrance,), _ExternalFlow(entrance, types_of)))


def _wanted(spec: TensorSpec, types: PipelineTypes) -> TensorSpec:
    """What the steps want of the input. Names of lengths mean something in one signature only."""
    shape = spec.shape
    if shape is not None:
        shape = tuple(each if isinstance(each, int) else None for each in shape)
    return replace(spec, shape=shape, optional=spec.name not in types.required)


class _ExternalFlow(Flow):
    """What comes of other pipelines into one reader."""

    def __init__(self, entrance: Reader, types_of: TypesOf) -> None:
        self._types_of = types_of
        super().__init__((entrance,), UNKNOWN_PORT)

    def port(self, source: Source, reference: Reference) -> Arrivals:
        types = self._types_of(source.pipeline)
        port = UNKNOWN_PORT if types is None else port_type(source, types)
        tensors = tuple(
            Arrival(spec, f"{source.port_text}.{spec.name}", reference.path)
            for spec in port.tensors
        )
        openings = () if port.complete else (Opening(reference.path, of_request=False),)
        return Arrivals(tensors, openings)


def port_type(source: Source, types: PipelineTypes) -> PortType:
    """What a port of another pipeline holds, of which ``types`` are the types."""
    if source.step is not None:
        step = types.steps.get(source.step)
        if step is None:
            return UNKNOWN_PORT
        return step.inputs if source.side == "inputs" else step.outputs
    if source.side == "outputs":
        return types.output
    # A request may hold more than the steps want, and less.
    return PortType(
        tuple(
            replace(spec, optional=spec.name not in types.required) for spec in types.input.tensors
        ),
        complete=False,
    )
