"""Infers the types of a pipeline's ports from the signatures of its models."""

from __future__ import annotations

from penstock.core.port_types.arrivals import Arrivals
from penstock.core.port_types.batches import findings_of_batches
from penstock.core.port_types.checks import findings_of_flow, findings_of_request
from penstock.core.port_types.demands import Demands
from penstock.core.port_types.flow import UNKNOWN_PORT, Flow
from penstock.core.port_types.pipeline_types import PipelineTypes, PortType, StepTypes
from penstock.core.port_types.reading import SignatureOf, readers_of
from penstock.core.resources import Pipeline


def infer_types(
    pipeline: Pipeline, signature_of: SignatureOf, *, loaded: bool = False
) -> PipelineTypes:
    """The types of all ports of a pipeline that breaks no other rule, and what does not fit.

    Tensors are followed twice: once to learn what the steps want of a request, and then from that.
    What is not known is checked nowhere; with ``loaded`` it is known that nobody declares it.
    """
    readers = readers_of(pipeline, signature_of)
    demands = Demands(readers, Flow(readers, UNKNOWN_PORT))
    request = demands.request
    flow = Flow(readers, request, demands.sure)
    steps = {
        reader.step: StepTypes(_port(flow.into(reader)), flow.out_of(reader.step))
        for reader in readers
        if reader.step is not None
    }
    output = PortType((), complete=True)
    if pipeline.spec.output is not None:
        output = _port(flow.into(readers[-1]))
    findings = [
        *findings_of_batches(pipeline, readers, loaded=loaded),
        *findings_of_request(demands),
        *findings_of_flow(readers, flow),
    ]
    return PipelineTypes(request, steps, output, demands.sure, tuple(findings))


def _port(arrivals: Arrivals) -> PortType:
    tensors = tuple(arrival.spec for arrival in arrivals.tensors)
    return PortType(tensors, complete=not arrivals.openings)
