"""What a model takes and gives, as far as it is known when it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from penstock.core.shapes import shape_text

Dimension: TypeAlias = int | str | None
"""A fixed length, a named one (``"n"``: equal wherever the name stands), or any."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor of a signature.

    ``datatype`` is a V2 datatype or None where it is not known; ``shape`` is None where not even
    the rank is known. ``optional`` on an input: it may be missing; on an output: it may be left
    out.
    """

    name: str
    datatype: str | None = None
    shape: tuple[Dimension, ...] | None = None
    optional: bool = False

    @property
    def type_text(self) -> str:
        """Datatype and shape as people write them: ``FP32 [n, 4]``, ``?`` for any length."""
        datatype = self.datatype or "any datatype"
        if self.shape is None:
            return datatype
        return f"{datatype} {shape_text(['?' if size is None else size for size in self.shape])}"

    def metadata_shape(self) -> list[int]:
        """The shape as V2 metadata shows it: -1 for what is not fixed."""
        if self.shape is None:
            return [-1]
        return [size if isinstance(size, int) else -1 for size in self.shape]


@dataclass(frozen=True, slots=True)
class Signature:
    """The inputs and outputs of a model, each None where nothing is known of that side."""

    inputs: tuple[TensorSpec, ...] | None = None
    outputs: tuple[TensorSpec, ...] | None = None
