"""Inference requests and responses, as V2 means them, free of any encoding."""

from __future__ import annotations

from penstock.core.parameters import NO_PARAMETERS, Parameters
from penstock.core.tensors import Tensor


class RequestedOutput:
    """An output that the caller asks for by name.

    ``binary`` says whether it is to come back as binary data in REST's answer; None leaves it to
    the request. ``parameters`` are the caller's other parameters for it.
    """

    __slots__ = ("binary", "name", "parameters")

    def __init__(
        self, name: str, binary: bool | None = None, parameters: Parameters = NO_PARAMETERS
    ) -> None:
        self.name = name
        self.binary = binary
        self.parameters = parameters

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RequestedOutput):
            return NotImplemented
        return (self.name, self.binary, self.parameters) == (
            other.name,
            other.binary,
            other.parameters,
        )

    __hash__ = None  # type: ignore[assignment]  # parameters are a mapping

    def __repr__(self) -> str:
        return f"RequestedOutput({self.name!r}, {self.binary}, {dict(self.parameters)})"


class InferenceRequest:
    """What a caller sends. Made for every request, hence plain and slotted; not to be changed.

    ``id`` is the caller's and may repeat. ``tensors`` have names of their own each. ``parameters``
    are without those of an encoding (``binary_data_output``). ``outputs`` is None when every
    output is wanted. ``binary_output`` says that outputs which do not say otherwise come back as
    binary data over REST. ``model_name`` and ``model_version`` are as the caller wrote them, the
    version empty when none was.
    """

    __slots__ = (
        "binary_output",
        "id",
        "model_name",
        "model_version",
        "outputs",
        "parameters",
        "tensors",
    )

    def __init__(
        self,
        id: str | None,
        tensors: tuple[Tensor, ...],
        parameters: Parameters = NO_PARAMETERS,
        outputs: tuple[RequestedOutput, ...] | None = None,
        binary_output: bool = False,
        model_name: str = "",
        model_version: str = "",
    ) -> None:
        self.id = id
        self.tensors = tensors
        self.parameters = parameters
        self.outputs = outputs
        self.binary_output = binary_output
        self.model_name = model_name
        self.model_version = model_version

    def __repr__(self) -> str:
        return f"InferenceRequest({self.model_name!r}, id={self.id!r}, {list(self.tensors)})"


class InferenceResponse:
    """What goes back to the caller: name and version of what was called, and the caller's id."""

    __slots__ = ("id", "model_name", "model_version", "parameters", "tensors")

    def __init__(
        self,
        model_name: str,
        model_version: str,
        id: str | None,
        tensors: tuple[Tensor, ...],
        parameters: Parameters = NO_PARAMETERS,
    ) -> None:
        self.model_name = model_name
        self.model_version = model_version
        self.id = id
        self.tensors = tensors
        self.parameters = parameters

    def __repr__(self) -> str:
        return f"InferenceResponse({self.model_name!r}, id={self.id!r}, {list(self.tensors)})"
