"""Rows put together and taken apart again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.datatypes import DATATYPES
from penstock.core.records import Tensors
from penstock.core.rows import common_rows, put_together, take_apart
from penstock.core.tensors import Tensor

NUMERIC = sorted(name for name, each in DATATYPES.items() if each.itemsize)


@st.composite
def tensors_of_one_kind(draw: st.DrawFn) -> list[Tensor]:
    """Raw ones and arrays, of any number of rows."""
    datatype = draw(st.sampled_from([*NUMERIC, "BYTES"]))
    axes = tuple(draw(st.lists(st.integers(0, 3), max_size=2)))
    return [
        draw(tensors(datatype, (rows, *axes)))
        for rows in draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
    ]


@st.composite
def tensors(draw: st.DrawFn, datatype: str, shape: tuple[int, ...]) -> Tensor:
    size = int(np.prod(shape))
    if datatype == "BYTES":
        elements = draw(st.lists(st.binary(max_size=9), min_size=size, max_size=size))
        array = np.empty(size, dtype=object)
        array[:] = elements
        tensor = Tensor.from_numpy("x", array.reshape(shape))
    else:
        kind = DATATYPES[datatype]
        width = size * kind.itemsize
        raw = draw(st.binary(min_size=width, max_size=width))
        raw = bytes(byte & 1 for byte in raw) if datatype == "BOOL" else raw
        if draw(st.booleans()):
            return Tensor("x", datatype, shape, draw(st.sampled_from([bytes, bytearray]))(raw))
        tensor = Tensor("x", datatype, shape, np.ndarray(shape, kind.dtype, raw))
    return Tensor("x", datatype, shape, tensor.raw) if draw(st.booleans()) else tensor


@given(tensors_of_one_kind())
def test_what_was_put_together_comes_apart_as_it_was(parts: list[Tensor]) -> None:
    (whole,) = put_together([(part,) for part in parts])
    assert whole.shape == (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    assert whole.tobytes() == b"".join(part.tobytes() for part in parts)
    again = take_apart((whole,), [part.shape[0] for part in parts])
    assert [block[0] for block in again] == parts
    for block, part in zip(again, parts, strict=True):
        assert block[0].array.tobytes() == part.array.tobytes() or part.datatype == "BYTES"
        assert block[0].array.tolist() == part.array.tolist() or part.datatype != "BYTES"
        assert block[0].nbytes == part.nbytes


@pytest.mark.parametrize("as_array", [True, False])
def test_slices_share_the_contents(as_array: bool) -> None:
    array = np.arange(12, dtype="<i4").reshape(6, 2)
    whole = Tensor("y", "INT32", (6, 2), array if as_array else array.tobytes())
    first, second = take_apart((whole,), [2, 4])
    assert np.shares_memory(first[0].array, whole.array)
    assert np.shares_memory(second[0].array, whole.array)
    assert second[0].array.tolist() == array[2:].tolist()


def test_slices_are_read_only() -> None:
    whole = Tensor.from_numpy("y", np.arange(4))
    with pytest.raises(ValueError, match="read-only"):
        take_apart((whole,), [2, 2])[0][0].array[0] = 1


def test_bytes_stay_raw_where_all_are_raw() -> None:
    packed = Tensor.from_numpy("s", [b"a", b"bc"]).raw
    raw = Tensor("s", "BYTES", (2,), packed)
    assert not put_together([(raw,), (raw,)])[0].is_array
    assert put_together([(raw,), (Tensor.from_numpy("s", [b"x"]),)])[0].is_array


@pytest.mark.parametrize(
    ("shapes", "rows"),
    [([(3, 2), (3,)], 3), ([(3,), (2,)], None), ([()], None), ([(2,), ()], None), ([(0,)], 0)],
)
def test_rows_are_those_of_all_tensors(shapes: list[tuple[int, ...]], rows: int | None) -> None:
    given_tensors: Tensors = tuple(
        Tensor(f"x{i}", "INT8", shape, bytes(int(np.prod(shape)))) for i, shape in enumerate(shapes)
    )
    assert common_rows(given_tensors) == rows


def test_names_and_parameters_stay() -> None:
    one = Tensor("x", "INT8", (1,), b"\1", {"content_type": "np"})
    (whole,) = put_together([(one,), (one,)])
    assert (whole.name, whole.parameters) == ("x", {"content_type": "np"})
    assert take_apart((whole,), [1, 1])[1][0].parameters == {"content_type": "np"}
