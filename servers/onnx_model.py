"""A graph in ONNX as a model, run by ONNX Runtime."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from math import prod
from typing import Any, Final

import ml_dtypes
import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from penstock.core.arrays import Array
from penstock.core.errors import InvalidRequestError, UnsupportedError
from penstock.core.model import InvalidRequest, Model
from penstock.core.nearest import did_you_mean
from penstock.core.signature import Dimension, Signature, TensorSpec
from penstock.servers.onnx_options import OnnxOptions, default_threads
from penstock.servers.text_elements import as_text

DATATYPES: Final = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(bfloat16)": "BF16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
"""The types that ONNX and V2 share, as ONNX Runtime writes them."""

_BFLOAT16: Final = 16
"""TensorProto.BFLOAT16 of onnx.proto."""

_LEVELS: Final = {
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_ERRORS_ONLY: Final = 3

_NUMBERED: Final = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_PLACE: Final = re.compile(r"\S+\.(?:cc|h):\d+ .*?\) ", re.DOTALL)
"""File, line and function in the source of ONNX Runtime, which its errors are full of."""


class OnnxModel(Model):
    """Runs a graph; calls of several threads at a time are safe, and let go of Python's lock.

    ``graph`` is a file, or the bytes of one; ``shown`` is what sentences call it. Raises
    InvalidRequestError or UnsupportedError when it cannot be served.
    """

    signature_holds = True

    def __init__(self, graph: str | bytes, options: OnnxOptions, shown: str) -> None:
        _check_providers(options.providers)
        self._session = _session(graph, options, shown)
        inputs = [_described(each, "input", shown) for each in self._session.get_inputs()]
        outputs = [
            _described(each, "output", shown)
            for each in _wanted(self._session.get_outputs(), options.outputs, shown)
        ]
        self.signature = Signature(tuple(inputs), tuple(outputs))
        self._names = [each.name for each in outputs]
        self._texts = {each.name for each in inputs if each.datatype == "BYTES"}
        self._halves = any(each.datatype == "BF16" for each in (*inputs, *outputs))
        if self._halves and self._texts:
            raise UnsupportedError(
                f"{shown} has tensors in BF16 and takes strings: ONNX Runtime cannot be given both "
                "at once from Python; cast one of them inside the graph"
            )

    def predict(self, /, **tensors: Array) -> dict[str, Array]:
        """Every wanted output by its name."""
        for name in self._texts:
            tensors[name] = as_text(tensors[name])
        try:
            results = self._run_raw(tensors) if self._halves else self._run(tensors)
        except ort_errors.InvalidArgument as error:
            raise InvalidRequest(f"ONNX Runtime refuses the tensors: {_reason(error)}") from error
        return dict(zip(self._names, results, strict=True))

    def _run(self, tensors: dict[str, Array]) -> Sequence[Array]:
        results: Sequence[Array] = self._session.run(self._names, tensors)
        return results

    def _run_raw(self, tensors: dict[str, Array]) -> Sequence[Array]:
        """Numpy has no bfloat16 that ONNX Runtime knows, so its memory is handed over."""
        given = {name: _value_of(array) for name, array in tensors.items()}
        return [_array_of(value) for value in self._session.run_with_ort_values(self._names, given)]


def _session(graph: str | bytes, options: OnnxOptions, shown: str) -> Any:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.intra_op_threads or default_threads()
    settings.inter_op_num_threads = options.inter_op_threads
    if options.inter_op_threads > 1:
        settings.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    settings.graph_optimization_level = _LEVELS[options.graph_optimization]
    settings.log_severity_level = _ERRORS_ONLY
    # Threads that spin while they wait take the cores from everything else in this process.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    settings.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(graph, settings, providers=list(options.providers))
    except Exception as error:
        raise InvalidRequestError(
            f"{shown} cannot be loaded by ONNX Runtime {ort.__version__}: {_reason(error)}"
            f"{_advice(error)}"
        ) from error


def _check_providers(wanted: Sequence[str]) -> None:
    available = ort.get_available_providers()
    for name in wanted:
        if name not in available:
            hint = did_you_mean(name, available) or f"it has {', '.join(available)}"
            raise InvalidRequestError(
                f"the parameter 'providers' names '{name}', which this build of ONNX Runtime does "
                f"not have; {hint}"
            )


def _wanted(outputs: Sequence[Any], names: Sequence[str] | None, shown: str) -> list[Any]:
    if names is None:
        return list(outputs)
    by_name = {each.name: each for each in outputs}
    for name in names:
        if name not in by_name:
            hint = did_you_mean(name, by_name) or f"it has {', '.join(by_name)}"
            raise InvalidRequestError(
                f"the parameter 'outputs' names '{name}', which {shown} does not have; {hint}"
            )
    return [by_name[name] for name in dict.fromkeys(names)]


def _described(of: Any, side: str, shown: str) -> TensorSpec:
    datatype = DATATYPES.get(of.type)
    if datatype is None:
        advice = (
            "name the other outputs in the parameter 'outputs', or export the model without it "
            "(zipmap=False for skl2onnx)"
            if side == "output"
            else "export the model with tensors of other types"
        )
        raise UnsupportedError(
            f"{shown}: the {side} '{of.name}' is of type {of.type}, for which V2 has no tensor; "
            f"{advice}"
        )
    # The shape of a scalar and one that is not known look the same.
    shape = tuple(map(_dimension, of.shape)) or None
    return TensorSpec(of.name, datatype, shape)


def _dimension(size: object) -> Dimension:
    """ONNX Runtime gives a length, a name, or None; the names that it makes up say nothing."""
    if isinstance(size, int):
        return size if size >= 0 else None
    if isinstance(size, str) and size and not size.startswith("unk__"):
        return size
    return None


def _value_of(array: Array) -> ort.OrtValue:
    if array.dtype == ml_dtypes.bfloat16:
        bits = np.ascontiguousarray(array).view(np.uint16)
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, _BFLOAT16)
    return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array))


def _array_of(value: ort.OrtValue) -> Array:
    if value.element_type() != _BFLOAT16:
        array: Array = value.numpy()
        return array
    shape = value.shape()
    held = (ctypes.c_uint16 * prod(shape)).from_address(value.data_ptr())
    # The memory goes with the value.
    return np.frombuffer(held, ml_dtypes.bfloat16).reshape(shape).copy()


def _reason(error: Exception) -> str:
    """What ONNX Runtime says, without where in its source it says so."""
    said = _PLACE.sub("", _NUMBERED.sub("", str(error)))
    return said.strip().split("\n")[0].rstrip(".")


def _advice(error: Exception) -> str:
    said = str(error).lower()
    if "opset" in said or "ir version" in said or "ir_version" in said:
        return "; export the model for an older opset, or install a newer onnxruntime"
    if isinstance(error, ort_errors.InvalidProtobuf):
        return "; is it a whole .onnx file?"
    return ""
