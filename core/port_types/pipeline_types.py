"""The types of a pipeline's ports, and what does not fit among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from penstock.core.manifests.findings import Finding
from penstock.core.problems import format_path
from penstock.core.signature import Signature, TensorSpec


class PortType(NamedTuple):
    """The tensors of a port that are known; unless ``complete``, there may be others."""

    tensors: tuple[TensorSpec, ...]
    complete: bool

    @property
    def known(self) -> tuple[TensorSpec, ...] | None:
        """The tensors as a side of a signature: None where they are not all known."""
        return self.tensors if self.complete else None


class StepTypes(NamedTuple):
    """What goes into a step, under the names that it has there, and what comes out."""

    inputs: PortType
    outputs: PortType


@dataclass(frozen=True, slots=True)
class PipelineTypes:
    """``input`` is what steps want of a request, ``output`` what an answer holds (a name may stand
    twice), ``steps`` has the steps by name. ``required`` are the tensors without which no request
    is answered. ``findings`` is everything that does not fit."""

    input: PortType
    steps: Mapping[str, StepTypes]
    output: PortType
    required: frozenset[str]
    findings: tuple[Finding, ...]

    @property
    def signature(self) -> Signature | None:
        """What the pipeline takes and gives; None when nothing is known of either end."""
        inputs, outputs = self.input.known, self.output.known
        return None if inputs is None and outputs is None else Signature(inputs, outputs)

    @property
    def sentences(self) -> list[str]:
        """What does not fit, each with its key path."""
        return sentences_of(self.findings)


def sentences_of(findings: Iterable[Finding]) -> list[str]:
    """Each finding with its key path."""
    return [
        f"{format_path(each.path)}: {each.message}" + (f"; {each.hint}" if each.hint else "")
        for each in findings
    ]
