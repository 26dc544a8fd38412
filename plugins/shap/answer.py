"""The answer: SHAP values as tensors, or as the JSON that clients of Alibi Explain read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from penstock.core.arrays import Array
from penstock.core.records import Tensors
from penstock.core.signature import Signature, TensorSpec
from penstock.core.tensors import Tensor

TENSORS: Final = (
    TensorSpec("shap_values", "FP64"),
    TensorSpec("base_values", "FP64"),
    TensorSpec("data", "FP64", (None, None)),
    TensorSpec("feature_names", "BYTES", (None,)),
)
"""As the attributes of ``shap.Explanation`` are called."""

JSON: Final = TensorSpec("explanation", "BYTES", (1,))
"""As the runtime for Alibi Explain of MLServer calls it."""


class ShapValues(NamedTuple):
    """``values`` [n, features] and ``base`` [n], with a further axis where several columns of the
    output are explained; ``data`` [n, features]."""

    values: Array
    base: Array
    data: Array
    names: Sequence[str]


def answer_of(shap: ShapValues, answer: str, method: str, *, whitebox: bool) -> Tensors:
    """The tensors that ``answer`` asks for."""
    tensors: list[Tensor] = []
    if answer != "json":
        names = [name.encode() for name in shap.names]
        contents = (shap.values, shap.base, shap.data, np.array(names, object))
        tensors += [
            Tensor.from_numpy(spec.name, array)
            for spec, array in zip(TENSORS, contents, strict=True)
        ]
    if answer != "tensors":
        document = orjson.dumps(_document(shap, method, whitebox=whitebox))
        text = np.array([document], object)
        tensors.append(Tensor.from_numpy(JSON.name, text, {"content_type": "str"}))
    return tuple(tensors)


def signature_of(answer: str, explained: Signature | None) -> Signature:
    """What goes in is what goes into what is explained."""
    outputs = {"tensors": TENSORS, "json": (JSON,), "both": (*TENSORS, JSON)}[answer]
    return Signature(None if explained is None else explained.inputs, outputs)


def _document(shap: ShapValues, method: str, *, whitebox: bool) -> dict[str, Any]:
    """The keys are those of the explanations of KernelShap and TreeShap in Alibi's public
    documentation."""
    values = shap.values if shap.values.ndim == 3 else shap.values[:, :, None]
    base = shap.base if shap.base.ndim == 2 else shap.base[:, None]
    outputs = range(values.shape[2])
    raw = values.sum(axis=1) + base
    return {
        "meta": {
            "name": method,
            "type": ["whitebox" if whitebox else "blackbox"],
            "explanations": ["local", "global"],
            "params": {},
            "version": None,
        },
        "data": {
            "shap_values": [values[:, :, output].tolist() for output in outputs],
            "expected_value": base[0].tolist(),
            "categorical_names": {},
            "feature_names": list(shap.names),
            "raw": {
                "raw_prediction": (raw if raw.shape[1] > 1 else raw[:, 0]).tolist(),
                "prediction": None,
                "instances": shap.data.tolist(),
                "importances": _importances(values, shap.names),
            },
        },
    }


def _importances(values: Array, names: Sequence[str]) -> dict[str, Any]:
    """Features by the mean size of their values, the most important first."""
    sizes = np.abs(values).mean(axis=0)
    ranked = {str(output): _ranked(sizes[:, output], names) for output in range(sizes.shape[1])}
    return {**ranked, "aggregated": _ranked(sizes.sum(axis=1), names)}


def _ranked(sizes: Array, names: Sequence[str]) -> dict[str, Any]:
    order = np.argsort(-sizes, kind="stable")
    return {
        "ranked_effect": sizes[order].tolist(),
        "names": [names[feature] for feature in order],
    }
