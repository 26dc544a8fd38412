"""V2's datatypes and numpy's."""

from typing import Any

import ml_dtypes
import numpy as np
import pytest

from penstock.core.datatypes import DATATYPES, datatype_named, datatype_of
from penstock.core.errors import InvalidRequestError


def test_every_v2_datatype_has_its_width() -> None:
    widths = {name: datatype.itemsize for name, datatype in DATATYPES.items()}
    assert widths == {
        "BOOL": 1,
        "UINT8": 1,
        "UINT16": 2,
        "UINT32": 4,
        "UINT64": 8,
        "INT8": 1,
        "INT16": 2,
        "INT32": 4,
        "INT64": 8,
        "FP16": 2,
        "BF16": 2,
        "FP32": 4,
        "FP64": 8,
        "BYTES": 0,
    }


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("?", "BOOL"),
        (">i4", "INT32"),
        ("longlong", "INT64"),
        ("<f2", "FP16"),
        (ml_dtypes.bfloat16, "BF16"),
        ("S3", "BYTES"),
        ("U3", "BYTES"),
        ("O", "BYTES"),
        (np.dtypes.StringDType(), "BYTES"),
    ],
)
def test_datatype_of_a_dtype(dtype: Any, name: str) -> None:
    assert datatype_of(np.dtype(dtype)).name == name


@pytest.mark.parametrize("dtype", ["c8", "M8[s]", "m8[s]", "V4", "longdouble", "i4,f4"])
def test_dtypes_that_v2_does_not_have(dtype: str) -> None:
    with pytest.raises(TypeError, match="has no V2 datatype; convert to"):
        datatype_of(np.dtype(dtype))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("int32", "'int32' is not a datatype; did you mean INT32?"),
        ("FLOAT32", "'FLOAT32' is not a datatype; did you mean FP32?"),
        ("bfloat16", "'bfloat16' is not a datatype; did you mean BF16?"),
        ("string", "'string' is not a datatype; did you mean BYTES?"),
        ("INT31", "'INT31' is not a datatype; did you mean INT32?"),
        (
            "FOO",
            "'FOO' is not a datatype; V2 has BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, "
            "INT32, INT64, FP16, BF16, FP32, FP64, BYTES",
        ),
        (
            "?",
            "'?' is not a datatype; V2 has BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, "
            "INT32, INT64, FP16, BF16, FP32, FP64, BYTES",
        ),
    ],
)
def test_an_unknown_name_gets_the_nearest(name: str, sentence: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        datatype_named(name)
    assert str(caught.value) == sentence
