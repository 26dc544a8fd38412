"""The types of a pipeline's ports, as a table, as lines of its drawing and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from penstock.core.port_types import PipelineTypes, PortType
from penstock.core.signature import TensorSpec

HEADINGS: Final = ("from", "tensor", "type")

UNKNOWN: Final = "not known"


class TypeRow(NamedTuple):
    """One tensor of a port; the port's name stands at its first tensor only."""

    port: str
    tensor: str
    type: str


def rows_of(types: PipelineTypes) -> list[TypeRow]:
    """What comes from the input and from each step, and what the output has; doubles once."""
    ports = {"input": types.input}
    ports |= {name: step.outputs for name, step in types.steps.items()}
    if types.output.tensors or not types.output.complete:
        ports["output"] = types.output
    return [
        TypeRow("" if index else name, tensor, text)
        for name, port in ports.items()
        for index, (tensor, text) in enumerate(dict.fromkeys(_lines(port)))
    ]


def lines_of(port: PortType) -> list[str]:
    """The tensors of a port, a line each; none where nothing is known."""
    if not port.tensors:
        return []
    return [f"{tensor}  {text}" for tensor, text in dict.fromkeys(_lines(port))]


def document_of(types: PipelineTypes) -> dict[str, Any]:
    """The same for programs: lists of tensors, null where they are not all known."""
    return {
        "inputs": _documents(types.input),
        "outputs": _documents(types.output),
        "steps": {
            name: {"inputs": _documents(step.inputs), "outputs": _documents(step.outputs)}
            for name, step in types.steps.items()
        },
    }


def _lines(port: PortType) -> Iterator[tuple[str, str]]:
    for spec in port.tensors:
        yield spec.name, _words(spec)
    if not port.complete:
        yield "others" if port.tensors else "", UNKNOWN
    elif not port.tensors:
        yield "", "no tensors"


def _words(spec: TensorSpec) -> str:
    words = UNKNOWN if spec.datatype is None and spec.shape is None else spec.type_text
    return f"{words}, may be missing" if spec.optional else words


def _documents(port: PortType) -> list[dict[str, Any]] | None:
    if not port.complete:
        return None
    return [
        {
            "name": spec.name,
            "datatype": spec.datatype,
            "shape": None if spec.shape is None else list(spec.shape),
            "optional": spec.optional,
        }
        for spec in port.tensors
    ]
