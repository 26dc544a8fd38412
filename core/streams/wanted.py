"""How the caller of a request that nobody waits for wants its answer, as a header of its record.

The output stream holds every tensor as it is; what was selected is for who fetches the answer.
"""

from __future__ import annotations

from typing import Any

import orjson

from penstock.core.inference import InferenceRequest, RequestedOutput


def wanted_text(request: InferenceRequest) -> str | None:
    """The header's value; None for a request that wants everything, as it comes."""
    if request.outputs is None and not request.binary_output:
        return None
    document: dict[str, Any] = {"binary": request.binary_output}
    if request.outputs is not None:
        document["outputs"] = [
            {"name": each.name, "binary": each.binary, "parameters": dict(each.parameters)}
            for each in request.outputs
        ]
    return orjson.dumps(document).decode()


def with_wanted(request: InferenceRequest, text: str | None) -> InferenceRequest:
    """The request with what a header says that it wants. What anybody may have written there and
    is no such header counts as none."""
    if text is None:
        return request
    try:
        document = orjson.loads(text)
        outputs = document.get("outputs")
        wanted = None
        if outputs is not None:
            wanted = tuple(
                RequestedOutput(str(each["name"]), each["binary"], each["parameters"])
                for each in outputs
            )
        binary = document["binary"] is True
    except (ValueError, KeyError, TypeError, AttributeError):
        return request
    return InferenceRequest(request.id, request.tensors, request.parameters, wanted, binary)
