"""Models, their signatures and calls as worker processes are told of them: as JSON has it."""

from __future__ import annotations

from math import inf, isinf
from pathlib import Path
from typing import Any

from penstock.core.clock import Clock
from penstock.core.contracts.model import CallOrigin, ModelCall, ModelSpec, SharedOrigin
from penstock.core.records import Tensors
from penstock.core.signature import Signature, TensorSpec


def spec_document(spec: ModelSpec) -> dict[str, Any]:
    """A model as JSON has it."""
    return {
        "name": spec.name,
        "version": spec.version,
        "artifacts": None if spec.artifacts is None else str(spec.artifacts),
        "python": spec.python,
        "folders": list(map(str, spec.folders)),
        "requirements": list(spec.requirements),
        "parameters": dict(spec.parameters),
        "signature": signature_document(spec.signature),
    }


def spec_of(document: dict[str, Any]) -> ModelSpec:
    """The model that :func:`spec_document` wrote."""
    artifacts = document["artifacts"]
    return ModelSpec(
        document["name"],
        document["version"],
        artifacts=None if artifacts is None else Path(artifacts),
        python=document["python"],
        folders=tuple(map(Path, document["folders"])),
        requirements=tuple(document["requirements"]),
        parameters=document["parameters"],
        signature=signature_of(document["signature"]),
    )


def call_document(call: ModelCall, now_ms: float) -> dict[str, Any]:
    """A call as JSON has it, without its tensors. The clocks of two processes agree on durations
    only, so it says how much time is left."""
    origin = call.origin
    left_ms = call.deadline_ms - now_ms
    return {
        "step": call.step,
        "identities": origin.identities,
        "request": origin.request_id,
        "parameters": dict(origin.parameters),
        "headers": dict(origin.headers),
        "left_ms": None if isinf(left_ms) else left_ms,
        "attempt": call.attempt,
        "round": call.round,
    }


def call_of(document: dict[str, Any], tensors: Tensors, clock: Clock) -> ModelCall:
    """The call that :func:`call_document` wrote."""
    identities = tuple(document["identities"])
    parameters, headers = document["parameters"], document["headers"]
    if len(identities) > 1:
        origin: CallOrigin = SharedOrigin(identities, parameters, headers)
    else:
        origin = CallOrigin(identities[0], document["request"], parameters, headers)
    left_ms = document["left_ms"]
    return ModelCall(
        document["step"],
        tensors,
        origin,
        inf if left_ms is None else clock.now_ms() + left_ms,
        attempt=document["attempt"],
        round=document["round"],
    )


def signature_document(signature: Signature | None) -> Any:
    """A signature as JSON has it."""
    if signature is None:
        return None
    return [_side(signature.inputs), _side(signature.outputs)]


def signature_of(document: Any) -> Signature | None:
    """The signature that :func:`signature_document` wrote."""
    return None if document is None else Signature(*map(_specs, document))


def _side(specs: tuple[TensorSpec, ...] | None) -> Any:
    if specs is None:
        return None
    return [[each.name, each.datatype, each.shape, each.optional] for each in specs]


def _specs(document: Any) -> tuple[TensorSpec, ...] | None:
    if document is None:
        return None
    return tuple(
        TensorSpec(name, datatype, None if shape is None else tuple(shape), optional)
        for name, datatype, shape, optional in document
    )
