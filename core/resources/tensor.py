"""A tensor of a model's signature, as a manifest declares it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from penstock.core.datatypes import DATATYPES
from penstock.core.nearest import did_you_mean
from penstock.core.resources.value import Flag, Text, Value
from penstock.core.signature import TensorSpec

DeclaredDimension: TypeAlias = Annotated[int, Field(strict=True, ge=-1)] | Text | None
"""A fixed length, a name, or any length (-1 as V2 writes it, or nothing)."""


def _known_datatype(name: str) -> str:
    if name not in DATATYPES:
        hint = did_you_mean(name, DATATYPES) or f"the datatypes are {', '.join(DATATYPES)}"
        raise ValueError(f"'{name}' is no datatype of the Open Inference Protocol; {hint}")
    return name


class DeclaredTensor(Value):
    """``datatype`` and ``shape`` are None where they are not declared.

    ``optional`` on an input: it may be missing; on an output: the model may leave it out.
    """

    name: Text
    datatype: Annotated[str, AfterValidator(_known_datatype)] | None = None
    shape: tuple[DeclaredDimension, ...] | None = None
    optional: Flag = False

    def spec(self) -> TensorSpec:
        """The same as part of a signature."""
        shape = self.shape and tuple(None if size == -1 else size for size in self.shape)
        return TensorSpec(self.name, self.datatype, shape, self.optional)
