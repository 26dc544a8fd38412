"""Bad requests in JSON: each gets a sentence that names the tensor and says what to do."""

import orjson
import pytest

from penstock.core.codecs.json import decode_request
from penstock.core.errors import InvalidRequestError, PenstockError, TooLargeError, UnsupportedError


def refusal(body: bytes, header_length: int | None = None) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        decode_request(body, header_length=header_length)
    return caught.value


def tensor(**members: object) -> dict[str, object]:
    plain = {"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}
    return {key: value for key, value in {**plain, **members}.items() if value is not ...}


def sentence(**members: object) -> str:
    error = refusal(orjson.dumps({"inputs": [tensor(**members)]}))
    assert isinstance(error, InvalidRequestError)
    return str(error)


@pytest.mark.parametrize(
    ("shape", "data", "expected"),
    [
        (
            [2, 3],
            [1, 2, 3, 4, 5],
            "tensor 'x': shape [2, 3] wants 6 INT32 values, data has 5; send as many values as "
            "the shape says",
        ),
        (
            [2**40],
            [],
            "tensor 'x': shape [1099511627776] wants 1099511627776 INT32 values, data has 0; send "
            "as many values as the shape says",
        ),
        ([2**49], [], "tensor 'x': shape [562949953421312] is larger than any tensor can be"),
        (
            [0, 2**63],
            [],
            "tensor 'x': shape [0, 9223372036854775808] is larger than any tensor can be",
        ),
        ([-1], [1], "tensor 'x': the shape's dimensions are integers from 0 on, not -1"),
        ([-1, -2], [1, 2], "tensor 'x': the shape's dimensions are integers from 0 on, not -1"),
        ([2.0], [1, 2], "tensor 'x': the shape's dimensions are integers from 0 on, not 2.0"),
        ([True], [1], "tensor 'x': the shape's dimensions are integers from 0 on, not True"),
        ([1] * 65, [1], "tensor 'x': the shape has 65 dimensions, 64 are the most"),
        (
            [2, 2],
            [[1, 2], [3]],
            "tensor 'x': shape [2, 2] wants 2 values along axis 1, nested data has 1 there; make "
            "data and shape agree",
        ),
        (
            [2, 3],
            [[1, 2], [3, 4], [5, 6]],
            "tensor 'x': shape [2, 3] wants 2 values along axis 0, nested data has 3 there; make "
            "data and shape agree",
        ),
        (
            [2, 1, 1],
            [[1], [2]],
            "tensor 'x': shape [2, 1, 1] has 3 dimensions, data has 1 at depth 2; nest it as the "
            "shape says, or send it flat",
        ),
        (
            [2, 1],
            [[1], 2],
            "tensor 'x': shape [2, 1] has 2 dimensions, data has 2 at depth 1; nest it as the "
            "shape says, or send it flat",
        ),
        (
            [2, 1],
            [[[1]], [[2]]],
            "tensor 'x': value 0 is an array, and INT32 wants integers; nest all values alike, or "
            "none",
        ),
        ([2], 1, "tensor 'x': data is 1; it must be an array of INT32 values"),
        ([2], "ab", "tensor 'x': data is \"ab\"; it must be an array of INT32 values"),
        ([], {}, "tensor 'x': data is an object; it must be an array of INT32 values"),
        ("2", [1], "tensor 'x': 'shape' is \"2\"; it must be an array"),
        (2, [1, 2], "tensor 'x': 'shape' is 2; it must be an array"),
        (..., [1], "tensor 'x' has no 'shape'"),
        ([2], ..., "tensor 'x' has no 'data'"),
        ([2], None, "tensor 'x' has no 'data'"),
    ],
)
def test_shape_and_data(shape: object, data: object, expected: str) -> None:
    assert sentence(shape=shape, data=data) == expected


@pytest.mark.parametrize(
    ("datatype", "value", "expected"),
    [
        ("INT32", 1.5, "is 1.5, and INT32 wants integers"),
        ("INT32", 1.0, "is 1.0, and INT32 wants integers"),
        ("INT32", "1", 'is "1", and INT32 wants integers'),
        ("INT32", None, "is null, and INT32 wants integers"),
        ("INT32", True, "is true, and INT32 wants integers; send 1 and 0, or say BOOL"),
        ("INT32", {}, "is an object, and INT32 wants integers"),
        ("INT32", 2**31, "is 2147483648, and INT32 holds -2147483648 to 2147483647"),
        ("INT8", -129, "is -129, and INT8 holds -128 to 127"),
        ("UINT8", -1, "is -1, and UINT8 holds 0 to 255"),
        ("UINT16", 65536, "is 65536, and UINT16 holds 0 to 65535"),
        (
            "INT64",
            2**63,
            "is 9223372036854775808, and INT64 holds -9223372036854775808 to 9223372036854775807",
        ),
        (
            "UINT64",
            1.8446744073709552e19,
            "is about 18446744073709551616, and UINT64 holds 0 to 18446744073709551615",
        ),
        ("FP16", 70000, "is 70000, and FP16 holds numbers up to 65504"),
        ("FP32", 1e39, "is 1e+39, and FP32 holds numbers up to 3.4028235e+38"),
        ("BF16", 1e39, "is 1e+39, and BF16 holds numbers up to 3.3895314e+38"),
        ("FP32", None, "is null, and FP32 wants numbers; JSON has no NaN, send it as binary data"),
        ("FP64", False, "is false, and FP64 wants numbers; send 1 and 0, or say BOOL"),
        ("FP64", "NaN", 'is "NaN", and FP64 wants numbers'),
        ("BOOL", 1, "is 1, and BOOL wants true or false"),
        ("BYTES", 1, "is 1, and BYTES wants strings"),
        ("BYTES", None, "is null, and BYTES wants strings"),
    ],
)
def test_values(datatype: str, value: object, expected: str) -> None:
    good = {"BOOL": True, "BYTES": "a"}.get(datatype, 1)
    data = [good, good, value, good]
    assert sentence(datatype=datatype, shape=[4], data=data) == f"tensor 'x': value 2 {expected}"


def test_an_integer_beyond_64_bits_is_out_of_range_and_not_rounded() -> None:
    body = (
        b'{"inputs":[{"name":"x","datatype":"UINT64","shape":[1],"data":[18446744073709551616]}]}'
    )
    assert "UINT64 holds 0 to 18446744073709551615" in str(refusal(body))


@pytest.mark.parametrize("value", ["/w", "é", "a b=", 1])
def test_base64_that_is_none(value: object) -> None:
    error = sentence(
        datatype="BYTES", shape=[1], data=[value], parameters={"content_type": "base64"}
    )
    assert error.startswith("tensor 'x': value 0 is ")
    assert "and that is no base64 (" in error
    assert error.endswith("), which content_type says")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"name": ...}, "inputs[0] has no 'name'"),
        ({"name": ""}, "inputs[0] has no 'name'"),
        ({"name": 3}, "inputs[0]: 'name' is 3; it must be a string"),
        ({"datatype": ...}, "tensor 'x' has no 'datatype'"),
        (
            {"datatype": ..., "dtype": "INT32"},
            "tensor 'x' has no 'datatype'; did you mean it by 'dtype'?",
        ),
        ({"datatype": 3}, "tensor 'x': 'datatype' is 3; it must be a string"),
        ({"datatype": []}, "tensor 'x': 'datatype' is an array; it must be a string"),
        (
            {"datatype": "int32"},
            "tensor 'x': 'int32' is not a datatype; did you mean INT32?",
        ),
        ({"parameters": []}, "tensor 'x': 'parameters' is an array; it must be an object"),
        (
            {"parameters": {"a": {}}},
            "tensor 'x': parameter 'a' is an object; parameters are booleans, numbers and strings",
        ),
        (
            {"parmeters": {}},
            "tensor 'x' has an unknown 'parmeters'; did you mean 'parameters'?",
        ),
        (
            {"parameters": {"binary_data_size": 8}},
            "tensor 'x' has both 'data' and binary_data_size; send one of them",
        ),
        (
            {"data": ..., "parameters": {"binary_data_size": 8}},
            "tensor 'x' has binary_data_size, and the header Inference-Header-Content-Length is "
            "missing; send the length of the JSON in it",
        ),
        (
            {"data": ..., "parameters": {"binary_data_size": "8"}},
            "tensor 'x': binary_data_size is \"8\"; it must be a number of bytes",
        ),
        (
            {"data": ..., "parameters": {"binary_data_size": -8}},
            "tensor 'x': binary_data_size is -8; it must be a number of bytes",
        ),
    ],
)
def test_members_of_a_tensor(members: dict[str, object], expected: str) -> None:
    assert sentence(**members) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], "the body is an array; send a JSON object"),
        ({}, "the request has no 'inputs'"),
        ({"input": []}, "the request has no 'inputs'; did you mean it by 'input'?"),
        ({"inputs": {}}, "the request: 'inputs' is an object; it must be an array"),
        (
            {"inputs": [1]},
            "inputs[0] is 1; it must be an object with name, datatype, shape, data",
        ),
        ({"inputs": [], "id": 7}, "the request: 'id' is 7; it must be a string"),
        ({"inputs": [], "outputs": {}}, "the request: 'outputs' is an object; it must be an array"),
        (
            {"inputs": [], "outputs": ["y"]},
            'outputs[0] is "y"; it must be an object with a name',
        ),
        ({"inputs": [], "outputs": [{}]}, "outputs[0] has no 'name'"),
        (
            {"inputs": [], "outputs": [{"name": "y"}, {"name": "y"}]},
            "tensor 'y' stands twice in 'outputs'; send it once",
        ),
        (
            {"inputs": [], "outputs": [{"name": "y", "parameters": {"binary_data": 1}}]},
            "output 'y': parameter 'binary_data' is 1; it must be true or false",
        ),
        (
            {"inputs": [], "parameters": {"binary_data_output": "true"}},
            "the request: parameter 'binary_data_output' is \"true\"; it must be true or false",
        ),
        (
            {"inputs": [], "ouputs": []},
            "the request has an unknown 'ouputs'; did you mean 'outputs'?",
        ),
        (
            {"inputs": [tensor(), tensor()]},
            "tensor 'x' stands twice in 'inputs'; send it once",
        ),
    ],
)
def test_members_of_a_request(document: object, expected: str) -> None:
    assert str(refusal(orjson.dumps(document))) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "the body is empty; send a JSON object"),
        (
            b'{"inputs": [}',
            "the body is not valid JSON: unexpected character, expected a JSON value at line 1, "
            "column 13",
        ),
        (
            b"[NaN]",
            "the body is not valid JSON: unexpected character, expected a JSON value at line 1, "
            "column 2; JSON has no NaN and no Infinity, send such tensors as binary data",
        ),
    ],
)
def test_bodies_that_are_no_json(body: bytes, expected: str) -> None:
    # The words in the middle are orjson's, and differ between its versions.
    got = str(refusal(body))
    assert got.split(": ")[0] == expected.split(": ")[0]
    assert got.endswith(expected.rpartition(" at ")[2])


@pytest.mark.parametrize(
    ("sizes", "tail", "header_length", "expected"),
    [
        (
            [8],
            bytes(7),
            None,
            "tensor 'x0': binary_data_size is 8, and 7 bytes are left behind the JSON; send the "
            "sum of all binary_data_size, and Inference-Header-Content-Length as the length of "
            "the JSON alone",
        ),
        (
            [8, 8],
            bytes(17),
            None,
            "the body has 1 bytes more than the JSON and all binary_data_size; send "
            "Inference-Header-Content-Length as the length of the JSON alone",
        ),
        (
            [4],
            bytes(4),
            None,
            "tensor 'x0': shape [2] of INT32 wants 8 bytes, the contents have 4; send as many "
            "elements as the shape says",
        ),
        (
            [],
            b"",
            99,
            "Inference-Header-Content-Length is 99, and the body has 13 bytes; it is the length "
            "of the JSON at the beginning of the body",
        ),
        (
            [],
            b"",
            -1,
            "Inference-Header-Content-Length is -1, and the body has 13 bytes; it is the length "
            "of the JSON at the beginning of the body",
        ),
    ],
)
def test_binary_data(
    sizes: list[int], tail: bytes, header_length: int | None, expected: str
) -> None:
    tensors = [
        tensor(name=f"x{index}", data=..., parameters={"binary_data_size": size})
        for index, size in enumerate(sizes)
    ]
    header = orjson.dumps({"inputs": tensors})
    error = refusal(header + tail, len(header) if header_length is None else header_length)
    assert str(error) == expected


def test_json_over_the_limit() -> None:
    with pytest.raises(TooLargeError) as caught:
        decode_request(b'{"inputs":[]}', max_json_bytes=12)
    assert str(caught.value) == (
        "the JSON has 13 bytes, 12 are the most; send large tensors as binary data"
    )


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"inputs": [tensor(data=..., parameters={"shared_memory_region": "r"})]},
            "tensor 'x': shared memory is not supported; let the data travel in the message",
        ),
        (
            {"inputs": [], "outputs": [{"name": "y", "parameters": {"classification": 2}}]},
            "output 'y': the classification extension is not supported; ask for the plain output",
        ),
    ],
)
def test_extensions_that_are_not_there(document: object, expected: str) -> None:
    error = refusal(orjson.dumps(document))
    assert isinstance(error, UnsupportedError)
    assert str(error) == expected
