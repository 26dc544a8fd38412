"""Tensors: raw bytes with a name, a datatype and a shape, decoded only by who computes on them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from penstock.core.arrays import Array, as_array, normalised, object_array
from penstock.core.byte_elements import Buffer, pack_elements, unpack_elements
from penstock.core.datatypes import DATATYPES, DATATYPES_OF_DTYPES
from penstock.core.parameters import NO_PARAMETERS, Parameters
from penstock.core.shapes import Shape
from penstock.core.tensor_checks import check_contents

NUMERIC_NAMES = {
    dtype: datatype.name for dtype, datatype in DATATYPES_OF_DTYPES.items() if datatype.itemsize
}
"""The names of the datatypes whose arrays can be taken as they are."""


class Tensor:
    """A named tensor. Immutable by convention: who changes one makes another.

    It holds its contents in one form and makes the other when it is asked for: raw, which is
    little-endian and row-major without padding (BYTES as in :mod:`penstock.core.byte_elements`),
    or a numpy array. Neither way copies, except for BYTES.

    The constructor trusts its caller and checks nothing. ``data`` fits ``datatype`` and ``shape``;
    an array is C-contiguous, has the dtype of the datatype and the shape, and of BYTES the type
    ``object`` with elements of type ``bytes``. For data from outside use :meth:`checked`, for what
    a model made :meth:`from_numpy`.
    """

    __slots__ = ("_array", "_data", "datatype", "name", "parameters", "shape")

    def __init__(
        self,
        name: str,
        datatype: str,
        shape: Shape,
        data: Buffer | Array,
        parameters: Parameters | None = None,
    ) -> None:
        self.name = name
        self.datatype = datatype
        self.shape = shape
        self.parameters: Parameters = NO_PARAMETERS if parameters is None else parameters
        self._data = data
        self._array: Array | None = None

    @classmethod
    def checked(
        cls,
        name: str,
        datatype: str,
        shape: Shape,
        data: Buffer,
        parameters: Parameters | None = None,
    ) -> Tensor:
        """A tensor of raw contents from outside, which is kept and not copied.

        Raises InvalidRequestError, naming the tensor, what was got and what was expected, when
        the datatype is unknown, a dimension is negative or too large, or the contents do not fit.
        """
        check_contents(name, datatype, shape, data)
        return cls(name, datatype, shape, data, parameters)

    @classmethod
    def from_numpy(cls, name: str, value: Any, parameters: Parameters | None = None) -> Tensor:
        """A tensor of an array, a scalar or a (nested) list; arrays are shared where possible.

        Strings, and arrays of objects, become BYTES, str as UTF-8. An array that is not
        C-contiguous and little-endian is copied.

        Raises TypeError or ValueError, naming the tensor, for what is no tensor.
        """
        array = value if type(value) is np.ndarray else as_array(name, value)
        datatype = NUMERIC_NAMES.get(array.dtype)
        if datatype is None:
            array = normalised(name, array)
            datatype = DATATYPES_OF_DTYPES[array.dtype].name
        if not array.flags.c_contiguous:
            array = array.copy("C")
        return cls(name, datatype, array.shape, array, parameters)

    @property
    def array(self) -> Array:
        """The contents as a numpy array, made once and read-only, so that one reader cannot change
        the tensor under another.

        BYTES are objects of type ``bytes``. An array over raw contents may be unaligned.
        """
        array = self._array
        if array is None:
            data = self._data
            if isinstance(data, np.ndarray):
                array = data
                if array.flags.writeable:
                    array = array.view()
                    array.setflags(False)  # type: ignore[call-arg]  # a third of what it costs by name
            elif self.datatype == "BYTES":
                array = object_array(unpack_elements(data)).reshape(self.shape)
                array.setflags(write=False)
            else:
                array = np.ndarray(self.shape, DATATYPES[self.datatype].dtype, data)
                if type(data) is not bytes:
                    array.setflags(write=False)
            self._array = array
        return array

    @property
    def raw(self) -> Buffer:
        """The raw contents, without a copy (BYTES of an array are packed, and then kept)."""
        data = self._data
        if not isinstance(data, np.ndarray):
            return data
        if self.datatype != "BYTES":
            # Through uint8, since buffers know neither BF16 nor casts of empty arrays.
            return data.reshape(-1).view(np.uint8).data.toreadonly()
        packed = pack_elements(data.reshape(-1))
        self._array, self._data = self.array, packed
        return packed

    @property
    def is_array(self) -> bool:
        """Whether the contents are held as an array, so that the raw form would have to be made."""
        return isinstance(self._data, np.ndarray)

    def flat(self) -> Array:
        """The elements as an array of one dimension, to be read at once: neither to be changed nor
        handed on, since it may be the very array that a model returned."""
        data = self._data
        return data.ravel() if isinstance(data, np.ndarray) else self.array.ravel()

    def tobytes(self) -> bytes:
        """The raw contents as ``bytes``: copied, unless that is what the tensor holds."""
        data = self._data
        if type(data) is bytes:
            return data
        if isinstance(data, np.ndarray) and self.datatype != "BYTES":
            return data.tobytes()
        return bytes(self.raw)

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The length of the raw contents in bytes."""
        data = self._data
        if not isinstance(data, np.ndarray):
            return len(data)
        if self.datatype != "BYTES":
            return data.nbytes
        return sum(4 + len(element) for element in data.reshape(-1))

    @property
    def has_contents(self) -> bool:
        """False of one of which only the signature is kept: it has elements, and no bytes."""
        return bool(self.nbytes) or not self.size

    @property
    def contents_id(self) -> int:
        """The same for tensors that share their contents, for as long as one of them lives."""
        return id(self._data)

    def renamed(self, name: str) -> Tensor:
        """The same tensor under another name, sharing its data."""
        other = Tensor(name, self.datatype, self.shape, self._data, self.parameters)
        other._array = self._array
        return other

    def __eq__(self, other: object) -> bool:
        """Whether name, datatype, shape and contents, bit by bit, are the same."""
        if not isinstance(other, Tensor):
            return NotImplemented
        return (
            self.name == other.name
            and self.datatype == other.datatype
            and self.shape == other.shape
            and self.raw == other.raw
        )

    __hash__ = None  # type: ignore[assignment]  # contents may be a bytearray's

    def __repr__(self) -> str:
        shape = ", ".join(map(str, self.shape))
        return f"Tensor({self.name!r}, {self.datatype} [{shape}], {self.nbytes} bytes)"
