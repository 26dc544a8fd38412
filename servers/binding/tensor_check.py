"""Whether a tensor fits what a signature says of it."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.core.errors import InvalidRequestError
from penstock.core.shapes import shape_text
from penstock.core.signature import TensorSpec
from penstock.core.tensors import Tensor


class TensorCheck:
    """Datatype, rank and fixed dimensions of one tensor, ready to be compared. Hot."""

    __slots__ = ("_datatype", "_fixed", "_rank", "expected")

    def __init__(self, spec: TensorSpec) -> None:
        self._datatype = spec.datatype
        shape = spec.shape
        self._rank = None if shape is None else len(shape)
        self._fixed = tuple(
            (axis, size) for axis, size in enumerate(shape or ()) if isinstance(size, int)
        )
        self.expected = spec.type_text

    def fits(self, tensor: Tensor) -> bool:
        """Whether the tensor is as the signature says."""
        if self._datatype is not None and tensor.datatype != self._datatype:
            return False
        if self._rank is None:
            return True
        shape = tensor.shape
        if len(shape) != self._rank:
            return False
        for axis, size in self._fixed:  # noqa: SIM110 - a generator costs more than the loop
            if shape[axis] != size:
                return False
        return True


def check_of(spec: TensorSpec) -> TensorCheck | None:
    """The check of a tensor, None when nothing is known of it."""
    return None if spec.datatype is None and spec.shape is None else TensorCheck(spec)


def actual_text(tensor: Tensor) -> str:
    """What came, in the form of :attr:`TensorSpec.type_text`."""
    return f"{tensor.datatype} {shape_text(tensor.shape)}"


class SameLengths:
    """The named dimensions that stand at more than one place in the inputs of a model."""

    __slots__ = ("_places",)

    def __init__(self, specs: Iterable[TensorSpec]) -> None:
        places: dict[str, list[tuple[str, int]]] = {}
        for spec in specs:
            for axis, size in enumerate(spec.shape or ()):
                if isinstance(size, str):
                    places.setdefault(size, []).append((spec.name, axis))
        self._places = {name: found for name, found in places.items() if len(found) > 1}

    def __bool__(self) -> bool:
        return bool(self._places)

    def check(self, tensors: Iterable[Tensor]) -> None:
        """Raise InvalidRequestError, naming both tensors, where lengths differ."""
        shapes = {tensor.name: tensor.shape for tensor in tensors}
        for dimension, places in self._places.items():
            first: tuple[str, int] | None = None
            for name, axis in places:
                shape = shapes.get(name)
                if shape is None:
                    continue
                if first is None:
                    first = name, shape[axis]
                elif shape[axis] != first[1]:
                    raise InvalidRequestError(
                        f"tensors '{first[0]}' and '{name}' differ in the dimension "
                        f"'{dimension}': {first[1]} and {shape[axis]}"
                    )
