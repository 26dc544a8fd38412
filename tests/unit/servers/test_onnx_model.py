"""Graphs in ONNX as models: tensors, signatures, options, and what is said of bad ones."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnxruntime
import pytest
from onnx import helper
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from harness.calls import call_of, call_with, values
from harness.onnx_graphs import echo, graph, logistic, tensor, total, with_map
from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import ModelSpec
from penstock.core.datatypes import DATATYPES
from penstock.core.errors import InvalidRequestError, UnsupportedError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.binding.bound_model import BoundModel
from penstock.servers.onnx_model import OnnxModel
from penstock.servers.onnx_options import MOST_THREADS, OnnxOptions, default_threads, options_of

TYPES = {
    "BOOL": "BOOL",
    "UINT8": "UINT8",
    "UINT16": "UINT16",
    "UINT32": "UINT32",
    "UINT64": "UINT64",
    "INT8": "INT8",
    "INT16": "INT16",
    "INT32": "INT32",
    "INT64": "INT64",
    "FP16": "FLOAT16",
    "BF16": "BFLOAT16",
    "FP32": "FLOAT",
    "FP64": "DOUBLE",
    "BYTES": "STRING",
}


def made(content: bytes, **parameters: Any) -> OnnxModel:
    options = options_of(ModelSpec("m", 1, parameters=parameters))
    return OnnxModel(content, options, "model.onnx")


def bound(content: bytes, declared: Signature | None = None, **parameters: Any) -> BoundModel:
    return BoundModel(
        made(content, **parameters), ModelSpec("m", 1, signature=declared), VirtualClock()
    )


def test_every_datatype_of_v2_is_shared() -> None:
    assert set(TYPES) == set(DATATYPES)


@pytest.mark.parametrize("datatype", TYPES)
def test_a_datatype_goes_through(datatype: str) -> None:
    model = bound(echo(TYPES[datatype]))
    assert model.signature == Signature(
        (TensorSpec("x", datatype, ("n",)),), (TensorSpec("y", datatype, ("n",)),)
    )
    contents = [b"s\xc3\xbc\xc3\x9f", b""] if datatype == "BYTES" else [1, 0]
    sent = np.array(contents, DATATYPES[datatype].dtype)
    for array in (sent, sent[:0]):
        [answer] = model.call(call_with(x=array))
        assert (answer.name, answer.datatype, answer.shape) == ("y", datatype, array.shape)
        assert answer.array.tolist() == array.tolist()


def cast_and_echo(other: str) -> bytes:
    """``y`` is ``x`` of BF16 as FP32; ``same`` is ``other``."""
    return graph(
        [tensor("x", "BFLOAT16", ["n", 2]), tensor("other", other, [None])],
        [tensor("y", "FLOAT", ["n", 2]), tensor("same", other, [None])],
        [
            helper.make_node("Cast", ["x"], ["y"], to=1),
            helper.make_node("Identity", ["other"], ["same"]),
        ],
    )


def test_bfloat16_beside_other_types() -> None:
    sent = np.array([[1.5, 3.0], [-2.0, 4.0]], ml_dtypes.bfloat16)
    answer = bound(cast_and_echo("INT64")).call(call_with(x=sent.T, other=np.array([1, 2])))
    assert values(answer) == {"y": [[1.5, -2.0], [3.0, 4.0]], "same": [1, 2]}


def test_bfloat16_beside_strings_is_refused_at_load() -> None:
    with pytest.raises(UnsupportedError, match="in BF16 and takes strings"):
        made(cast_and_echo("STRING"))


def test_several_tensors_whose_names_are_no_identifiers() -> None:
    model = bound(total())
    call = call_of({"right:0": [[1, 2]], "left:0": [[10, 20]]})
    assert values(model.call(call)) == {"sum": [[11, 22]], "difference": [[9, 18]]}


def test_an_input_may_be_called_self() -> None:
    content = graph(
        [tensor("self", "FLOAT", ["n"])],
        [tensor("y", "FLOAT", ["n"])],
        [helper.make_node("Neg", ["self"], ["y"])],
    )
    assert values(bound(content).call(call_of({"self": [1, 2]}))) == {"y": [-1, -2]}


def test_figures_are_those_of_scikit_learn() -> None:
    features, labels = load_iris(return_X_y=True)
    classifier = LogisticRegression(solver="newton-cg").fit(features, labels)
    content = logistic(
        classifier.coef_.T.astype(np.float32), classifier.intercept_.astype(np.float32)
    )
    [answer] = bound(content).call(call_with(x=features.astype(np.float32)))
    assert np.allclose(answer.array, classifier.predict_proba(features), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "known"),
    [(["n", None, 4], ("n", None, 4)), ([], None), (None, None), (["", 2], (None, 2))],
)
def test_axes(shape: Any, known: Any) -> None:
    signature = made(echo("FLOAT", shape)).signature
    assert signature is not None
    assert signature.inputs == (TensorSpec("x", "FP32", known),)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (call_of({"left:0": [[1, 2]]}), "wants the tensor 'right:0', which did not come"),
        (
            call_of({"left:0": [[1, 2]], "right:0": [[1, 2, 3]]}),
            r"takes tensor 'right:0' as FP32 \[n, 2\], and got FP32 \[1, 3\]",
        ),
        (
            call_of({"left:0": [[1, 2]], "right:0": np.array([[1, 2]])}),
            r"takes tensor 'right:0' as FP32 \[n, 2\], and got INT64 \[1, 2\]",
        ),
        (
            call_of({"left:0": [[1, 2]], "right:0": [[1, 2], [3, 4]]}),
            "'left:0' and 'right:0' differ in the dimension 'n': 1 and 2",
        ),
    ],
)
def test_tensors_that_do_not_fit(call: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        bound(total()).call(call)


def test_text_that_is_not_utf_8() -> None:
    with pytest.raises(InvalidRequestError, match="not UTF-8"):
        bound(echo("STRING")).call(call_with(x=np.array([b"\xff"], object)))


def test_a_manifest_that_says_otherwise_is_refused() -> None:
    declared = Signature((TensorSpec("x", "FP64", ("n",)),))
    with pytest.raises(InvalidRequestError, match=r"FP64 \[n\], and the model itself says FP32"):
        bound(echo("FLOAT"), declared)


def test_outputs_are_chosen() -> None:
    answer = bound(total(), outputs=["difference"]).call(
        call_of({"right:0": [[1, 2]], "left:0": [[10, 20]]})
    )
    assert values(answer) == {"difference": [[9, 18]]}


def test_what_is_no_tensor_is_refused_unless_it_is_not_asked_for() -> None:
    with pytest.raises(UnsupportedError, match=r"the output 'maps' is of type seq\(map\(int64"):
        made(with_map())
    answer = bound(with_map(), outputs=["label"]).call(call_with(x=[[1, 2], [2, 1]]))
    assert values(answer) == {"label": [1, 0]}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"outputs": ["summ"]}, "names 'summ', which model.onnx does not have; did you mean 'sum'"),
        ({"providers": ["CPUExecutionProvide"]}, "did you mean 'CPUExecutionProvider'"),
        ({"intraOpThreds": 2}, "'intraOpThreds' is no parameter .* did you mean 'intraOpThreads'"),
        ({"intraOpThreads": 0}, "'intraOpThreads': Input should be greater than or equal to 1"),
        ({"graphOptimization": "most"}, "'graphOptimization': Input should be 'none'"),
    ],
)
def test_parameters_that_make_no_sense(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        made(total(), **parameters)


@pytest.mark.parametrize("level", ["none", "basic", "extended", "all"])
def test_options_change_nothing_about_the_answer(level: str) -> None:
    model = bound(echo("FLOAT"), graphOptimization=level, intraOpThreads=2, interOpThreads="2")
    assert values(model.call(call_with(x=[1, 2]))) == {"y": [1, 2]}


def test_threads_are_bounded() -> None:
    assert 1 <= default_threads() <= MOST_THREADS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"garbage", "protobuf parsing failed; is it a whole .onnx file?"),
        (b"", "model.onnx cannot be loaded by ONNX Runtime .*: No graph was found"),
        (echo("FLOAT")[:-20], "model.onnx cannot be loaded by ONNX Runtime"),
        (
            graph(
                [tensor("x", "FLOAT", [1])],
                [tensor("y", "FLOAT", [1])],
                [helper.make_node("Identity", ["x"], ["y"])],
                opset=99,
            ),
            "99.*; export the model for an older opset, or install a newer onnxruntime",
        ),
        (
            graph(
                [tensor("x", "FLOAT", [1])],
                [tensor("y", "FLOAT", [1])],
                [helper.make_node("Nonsense", ["x"], ["y"])],
            ),
            "Nonsense",
        ),
    ],
    ids=["garbage", "empty", "torn", "opset", "operator"],
)
def test_graphs_that_cannot_be_loaded(content: bytes, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as caught:
        made(content)
    assert "onnxruntime_src" not in str(caught.value)
    assert onnxruntime.__version__ in str(caught.value)


def test_complex_numbers_have_no_datatype() -> None:
    with pytest.raises((UnsupportedError, InvalidRequestError), match="complex64"):
        made(echo("COMPLEX64"))


def test_defaults() -> None:
    assert OnnxOptions().providers == ("CPUExecutionProvider",)
