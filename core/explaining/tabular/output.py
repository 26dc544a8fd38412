"""The tensor of an answer that is explained."""

from __future__ import annotations

from penstock.core.contracts.explainer import Explained
from penstock.core.errors import InvalidRequestError
from penstock.core.nearest import did_you_mean
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor


def output_of(answer: Tensors, name: str | None, explained: Explained) -> Tensor:
    """The tensor ``name``, or the only one. Raises InvalidRequestError."""
    there = [tensor.name for tensor in answer]
    if name is None and len(answer) == 1:
        [tensor] = answer
        return tensor
    if name is None:
        raise InvalidRequestError(
            f"{explained.explains} puts out {', '.join(there)}; say in the parameter "
            "'output' of the explainer which of them is explained"
        )
    found = next((tensor for tensor in answer if tensor.name == name), None)
    if found is None:
        hint = did_you_mean(name, there) or f"it puts out {', '.join(there)}"
        raise InvalidRequestError(f"{explained.explains} does not put out '{name}'; {hint}")
    return found
