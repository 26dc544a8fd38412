"""Tensors: two forms of the same contents, without copies."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given

from harness.tensors import tensors
from penstock.core.errors import InvalidRequestError
from penstock.core.tensors import Tensor


@given(tensors())
def test_raw_contents_and_arrays_are_the_same_tensor(tensor: Tensor) -> None:
    again = Tensor.checked(tensor.name, tensor.datatype, tensor.shape, tensor.tobytes())
    assert again == tensor
    assert again.array.shape == tensor.shape
    assert again.array.dtype == tensor.array.dtype
    assert Tensor.from_numpy(tensor.name, again.array) == tensor
    assert tensor.nbytes == len(tensor.raw) == len(tensor.tobytes()) == again.nbytes
    assert tensor.size == tensor.array.size


def test_an_array_over_raw_contents_is_a_view() -> None:
    buffer = bytearray(np.arange(6, dtype="<i4").tobytes())
    tensor = Tensor("x", "INT32", (2, 3), memoryview(buffer))
    assert tensor.array.tolist() == [[0, 1, 2], [3, 4, 5]]
    buffer[0] = 9
    assert tensor.array[0, 0] == 9
    assert tensor.array is tensor.array


def test_raw_contents_of_an_array_are_a_view() -> None:
    array = np.arange(6, dtype=np.float32)
    tensor = Tensor.from_numpy("x", array)
    assert np.shares_memory(tensor.array, array)
    array[0] = 7
    assert bytes(tensor.raw)[:4] == np.float32(7).tobytes()


@pytest.mark.parametrize("data", [b"\1\0", bytearray(b"\1\0"), memoryview(b"\1\0")])
def test_arrays_are_read_only(data: bytes | bytearray | memoryview) -> None:
    assert not Tensor("x", "INT16", (1,), data).array.flags.writeable


def test_a_models_own_array_stays_writable_and_the_tensors_view_is_not() -> None:
    array = np.zeros(3)
    tensor = Tensor.from_numpy("x", array)
    assert array.flags.writeable
    assert not tensor.array.flags.writeable


def test_a_renamed_tensor_shares_its_data_and_keeps_its_parameters() -> None:
    tensor = Tensor("a", "INT32", (1,), b"\1\0\0\0", {"k": 1})
    array = tensor.array
    other = tensor.renamed("b")
    assert (other.name, other.array is array, other.raw is tensor.raw) == ("b", True, True)
    assert other.parameters == {"k": 1}
    assert other != tensor
    assert other.renamed("a") == tensor


@pytest.mark.parametrize(
    ("value", "datatype", "shape", "contents"),
    [
        (1.5, "FP64", (), 1.5),
        (np.float32(1.5), "FP32", (), 1.5),
        (True, "BOOL", (), True),
        ([1, 2], "INT64", (2,), [1, 2]),
        ([2**63], "UINT64", (1,), [2**63]),
        ([], "FP64", (0,), []),
        ("é", "BYTES", (), "é".encode()),
        (b"a\0", "BYTES", (), b"a\0"),
        ([["a", b"b\0"]], "BYTES", (1, 2), [[b"a", b"b\0"]]),
        (np.array(["a", "bc"]), "BYTES", (2,), [b"a", b"bc"]),
        (np.array([b"a", b"bc"]), "BYTES", (2,), [b"a", b"bc"]),
        (np.array(["a"], dtype=np.dtypes.StringDType()), "BYTES", (1,), [b"a"]),
        (np.array([1, 2], ">i2"), "INT16", (2,), [1, 2]),
        (np.arange(4, dtype="i1").reshape(2, 2).T, "INT8", (2, 2), [[0, 2], [1, 3]]),
        (np.arange(6, dtype="i1")[::2], "INT8", (3,), [0, 2, 4]),
        (np.array([1.5], ml_dtypes.bfloat16), "BF16", (1,), [1.5]),
        (np.array(3, ">f4"), "FP32", (), 3.0),
    ],
)
def test_from_numpy_takes(
    value: Any, datatype: str, shape: tuple[int, ...], contents: object
) -> None:
    tensor = Tensor.from_numpy("x", value)
    assert (tensor.datatype, tensor.shape) == (datatype, shape)
    assert tensor.array.tolist() == contents
    assert Tensor.checked("x", datatype, shape, tensor.raw) == tensor


@pytest.mark.parametrize(
    ("value", "error", "sentence"),
    [
        (1j, TypeError, "tensor 'x': numpy's complex128 has no V2 datatype; convert to"),
        (np.datetime64("2024-01-01"), TypeError, "tensor 'x': numpy's datetime64[D] has no V2"),
        (np.zeros(1, "i4,f4"), TypeError, "has no V2 datatype"),
        (None, TypeError, "tensor 'x': element 0 is of type NoneType, and only bytes and str"),
        (["a", None], TypeError, "tensor 'x': element 1 is of type NoneType"),
        ([2**70], TypeError, "tensor 'x': element 0 is of type int"),
        ({"a": 1}, TypeError, "tensor 'x': element 0 is of type dict"),
        ([[1], [2, 3]], ValueError, "tensor 'x': the nested lists are ragged"),
    ],
)
def test_from_numpy_refuses(value: Any, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        Tensor.from_numpy("x", value)
    assert sentence in str(caught.value)


def bytes_contents(*elements: bytes) -> bytes:
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)


def test_bytes_are_decoded_when_asked_for_and_packed_when_asked_for() -> None:
    raw = bytes_contents(b"a\0b", b"", b"\xff")
    tensor = Tensor.checked("x", "BYTES", (3, 1), raw)
    assert tensor.raw is raw
    assert tensor.array.tolist() == [[b"a\0b"], [b""], [b"\xff"]]
    packed = Tensor.from_numpy("x", tensor.array)
    assert packed.raw == raw
    assert packed.raw is packed.raw


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "sentence"),
    [
        (
            "INT32",
            (2, 3),
            bytes(20),
            "tensor 'x': shape [2, 3] of INT32 wants 24 bytes, the contents have 20; send as many "
            "elements as the shape says",
        ),
        (
            "INT32",
            (-1,),
            b"",
            "tensor 'x': the shape's dimensions are integers from 0 on, not -1",
        ),
        (
            "FP32",
            (2**62, 4),
            b"",
            "tensor 'x': shape [4611686018427387904, 4] is larger than any tensor can be",
        ),
        (
            "FP32",
            (0, 2**62),
            b"",
            "tensor 'x': shape [0, 4611686018427387904] is larger than any tensor can be",
        ),
        ("FP32", (1,) * 65, bytes(4), "tensor 'x': the shape has 65 dimensions, 64 are the most"),
        ("FLOAT32", (1,), bytes(4), "tensor 'x': 'FLOAT32' is not a datatype; did you mean FP32?"),
        (
            "BOOL",
            (2,),
            b"\1\2",
            "tensor 'x': the bytes of a BOOL are 0 or 1, the contents hold others",
        ),
        (
            "BYTES",
            (2,),
            bytes_contents(b"a"),
            "tensor 'x': shape [2] wants 2 BYTES elements, the contents have 1; send as many "
            "elements as the shape says",
        ),
        (
            "BYTES",
            (1,),
            bytes_contents(b"a", b"b", b"c"),
            "tensor 'x': shape [1] wants 1 BYTES elements, the contents have more than 1; send as "
            "many elements as the shape says",
        ),
        (
            "BYTES",
            (1,),
            b"\5\0\0\0abc",
            "tensor 'x': the contents end 2 bytes before the element at byte 0 does; BYTES "
            "elements stand after their length as 4 bytes, little-endian",
        ),
        (
            "BYTES",
            (2,),
            b"\1\0\0\0a\1\0",
            "tensor 'x': the contents end within the length of the element at byte 5; BYTES "
            "elements stand after their length as 4 bytes, little-endian",
        ),
    ],
)
def test_checked_refuses(datatype: str, shape: tuple[int, ...], raw: bytes, sentence: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        Tensor.checked("x", datatype, shape, raw)
    assert str(caught.value) == sentence


def test_repr_shows_what_it_is_and_not_what_it_holds() -> None:
    assert repr(Tensor("x", "INT32", (2, 3), bytes(24))) == "Tensor('x', INT32 [2, 3], 24 bytes)"


def test_tensors_differ_by_name_datatype_shape_and_contents() -> None:
    tensor = Tensor("x", "INT16", (2,), b"\1\0\2\0")
    for other in (
        Tensor("y", "INT16", (2,), b"\1\0\2\0"),
        Tensor("x", "UINT16", (2,), b"\1\0\2\0"),
        Tensor("x", "INT16", (2, 1), b"\1\0\2\0"),
        Tensor("x", "INT16", (2,), b"\1\0\3\0"),
        "x",
    ):
        assert tensor != other
    assert tensor == Tensor.from_numpy("x", np.array([1, 2], "i2"))


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_tobytes_copies_what_is_not_bytes(kind: type) -> None:
    tensor = Tensor("x", "INT16", (1,), kind(b"\1\0"))
    assert type(tensor.tobytes()) is bytes
    assert tensor.tobytes() == b"\1\0"
