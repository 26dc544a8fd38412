"""The contract of a redactor: what of a request does not leave the server in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from penstock.core.parameters import Scalar
from penstock.core.records import Port
from penstock.core.tensors import Tensor


class TensorPlace(NamedTuple):
    """Where a tensor stands: at a port of a pipeline, in a round of a loop."""

    pipeline: str
    port: Port
    round: int


class Withheld(NamedTuple):
    """The contents of a tensor stay here. ``note`` stands in their place: a reason, or a digest by
    which equal ones are still known."""

    note: str


class Redactor(ABC):
    """Sees everything of a request before it is written into a case file.

    Redactors are asked one after the other, in the order of their names, each of what the one
    before it left. What is done to a tensor is done to all that share its contents, under whatever
    names: a tensor that is renamed on its way is the same data.
    """

    @abstractmethod
    def redact(self, tensor: Tensor, place: TensorPlace) -> Tensor | Withheld:
        """What is written of ``tensor``: itself, another one of its name, or nothing but a note.

        Called on the event loop for every tensor of the request, which it must not change. An error
        refuses the export.
        """

    def redact_header(self, name: str, value: str) -> str | None:
        """What is written of a header that travels with the request; None leaves it out."""
        return value

    def redact_parameter(self, name: str, value: Scalar) -> Scalar | None:
        """What is written of a parameter of the request or of a tensor; None leaves it out."""
        return value
