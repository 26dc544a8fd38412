"""What flows along the edges of a pipeline, as far as the signatures of its models tell."""

from penstock.core.port_types.external_edges import TypesOf, external_findings, port_type
from penstock.core.port_types.inference import infer_types
from penstock.core.port_types.pipeline_types import (
    PipelineTypes,
    PortType,
    StepTypes,
    sentences_of,
)
from penstock.core.port_types.reading import SignatureOf

__all__ = [
    "PipelineTypes",
    "PortType",
    "SignatureOf",
    "StepTypes",
    "TypesOf",
    "external_findings",
    "infer_types",
    "port_type",
    "sentences_of",
]
