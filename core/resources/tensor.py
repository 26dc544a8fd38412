"""A tensor of a model's signature, as a manifest declares it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from penstock.core.datatypes import DATATYPES, datatype_hint
from penstock.core.resources.value import Flag, Text, Value
from penstock.core.signature import TensorSpec

DeclaredDimension: TypeAlias = Annotated[int, Field(strict=True, ge=-1)] | Text | None
"""A fixed length, a name, or any length (-1 as V2 writes it, or nothing)."""


def _known_datatype(name: str) -> str:
    if name not in DATATYPES:
        raise ValueError(
            f"'{name}' is no datatype of the Open Inference Protocol; {datatype_hint(name)}"
        )
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
