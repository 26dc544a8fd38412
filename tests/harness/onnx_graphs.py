"""Small graphs in ONNX, as bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onnx import NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Size = int | str | None

OPSET = 17
"""What every release that is supported knows; so does IR version 8."""


def tensor(name: str, type_name: str, shape: Sequence[Size] | None) -> ValueInfoProto:
    """An input or output: ``tensor("x", "FLOAT", ["n", 4])``."""
    return helper.make_tensor_value_info(name, getattr(TensorProto, type_name), shape)


def graph(
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    nodes: Sequence[NodeProto],
    constants: Mapping[str, Any] | None = None,
    *,
    opset: int = OPSET,
    ir_version: int = 8,
) -> bytes:
    """The file of a graph."""
    held = [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()]
    made = helper.make_graph(list(nodes), "graph", list(inputs), list(outputs), held)
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(made, opset_imports=sets, ir_version=ir_version)
    content: bytes = model.SerializeToString()
    return content


def echo(type_name: str, shape: Sequence[Size] | None = ("n",)) -> bytes:
    """``y`` is ``x``."""
    return graph(
        [tensor("x", type_name, shape)],
        [tensor("y", type_name, shape)],
        [helper.make_node("Identity", ["x"], ["y"])],
    )


def total() -> bytes:
    """``sum`` is ``left:0`` + ``right:0``, ``difference`` their difference; FP32 [n, 2]."""
    sides = ["left:0", "right:0"]
    return graph(
        [tensor(name, "FLOAT", ["n", 2]) for name in sides],
        [tensor(name, "FLOAT", ["n", 2]) for name in ("sum", "difference")],
        [
            helper.make_node("Add", sides, ["sum"]),
            helper.make_node("Sub", sides, ["difference"]),
        ],
    )


def logistic(weights: Any, offsets: Any) -> bytes:
    """``proba`` [n, classes] of ``x`` FP32 [n, features], as softmax of a linear map."""
    features, classes = weights.shape
    return graph(
        [tensor("x", "FLOAT", ["n", features])],
        [tensor("proba", "FLOAT", ["n", classes])],
        [
            helper.make_node("Gemm", ["x", "weights", "offsets"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["proba"], axis=1),
        ],
        {"weights": weights, "offsets": offsets},
    )


def with_map() -> bytes:
    """``x`` FP32 [n, 2] as ``label``, and as ``maps``, which are no tensor (ZipMap)."""
    maps = helper.make_sequence_type_proto(
        helper.make_map_type_proto(
            TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
        )
    )
    return graph(
        [tensor("x", "FLOAT", ["n", 2])],
        [tensor("label", "INT64", ["n"]), helper.make_value_info("maps", maps)],
        [
            helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
            helper.make_node(
                "ZipMap", ["x"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1]
            ),
        ],
    )
