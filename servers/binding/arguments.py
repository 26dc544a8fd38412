"""From the tensors of a call to the arguments of ``predict``."""

from __future__ import annotations

from typing import Any

from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall, ModelSpec
from penstock.core.errors import InvalidRequestError
from penstock.core.inference import InferenceRequest
from penstock.core.model import CallContext
from penstock.core.signature import TensorSpec
from penstock.core.tensors import Tensor
from penstock.servers.binding.predictor import Predictor
from penstock.servers.binding.tensor_check import (
    SameLengths,
    TensorCheck,
    actual_text,
    check_of,
)


class Arguments:
    """Binds calls to the parameters of one model; everything that can be is computed before.

    ``inputs`` is what is known of the tensors that the model takes, also of those that only
    ``**tensors`` or the raw request takes.
    """

    __slots__ = (
        "_checks",
        "_clock",
        "_context",
        "_model",
        "_request",
        "_same_lengths",
        "_takes_rest",
        "_unnamed_checks",
        "_version",
        "_wanted",
        "only",
        "only_check",
        "pair",
    )

    def __init__(
        self, predictor: Predictor, inputs: tuple[TensorSpec, ...], spec: ModelSpec, clock: Clock
    ) -> None:
        known = {each.name: check_of(each) for each in inputs}
        self._checks: dict[str, TensorCheck | None] = {
            name: known.get(name) for name in predictor.tensors
        }
        self._unnamed_checks = {
            name: check for name, check in known.items() if name not in self._checks and check
        }
        self._wanted = tuple(name for name, each in predictor.tensors.items() if not each.optional)
        self._same_lengths = SameLengths(inputs)
        self._takes_rest = predictor.takes_rest
        self._request = predictor.request
        self._context = predictor.context
        self._model = spec.name
        self._version = str(spec.version)
        self._clock = clock
        names = tuple(predictor.tensors)
        plain = predictor.by_position and not self._same_lengths
        self.only = names[0] if plain and len(names) == 1 else None
        """The name of the one parameter of a model that has no other, for the short way."""
        self.only_check = self._checks[names[0]] if self.only is not None else None
        unchecked = not any(self._checks.values())
        self.pair = names if plain and unchecked and len(names) == 2 else None
        """The names of a model's parameters, where these are two and take any tensor; likewise."""

    def bind(self, call: ModelCall) -> dict[str, Any]:
        """The arguments by name; arrays are read-only.

        Raises InvalidRequestError for a tensor that is missing, twice there, or not as the
        signature says.
        """
        checks = self._checks
        given: dict[str, Any] = {}
        for tensor in call.tensors:
            name = tensor.name
            check = checks[name] if name in checks else self._unnamed_checks.get(name)
            if check is not None and not check.fits(tensor):
                raise self.misfit(tensor, check)
            if name in checks or self._takes_rest:
                if name in given:
                    raise InvalidRequestError(
                        f"model '{self._model}' is given two tensors named '{name}'; "
                        "rename one of them (tensorMap)"
                    )
                given[name] = tensor.array
        for name in self._wanted:
            if name not in given:
                raise self._missing(name, call)
        if self._same_lengths:
            self._same_lengths.check(call.tensors)
        if self._request is not None:
            origin = call.origin
            given[self._request] = InferenceRequest(
                origin.request_id,
                call.tensors,
                origin.parameters,
                model_name=self._model,
                model_version=self._version,
            )
        if self._context is not None:
            given[self._context] = CallContext(call, self._clock)
        return given

    def misfit(self, tensor: Tensor, check: TensorCheck) -> InvalidRequestError:
        """The error for a tensor that is not as the signature says."""
        return InvalidRequestError(
            f"model '{self._model}' takes tensor '{tensor.name}' as {check.expected}, "
            f"and got {actual_text(tensor)}"
        )

    def _missing(self, name: str, call: ModelCall) -> InvalidRequestError:
        came = ", ".join(f"'{tensor.name}'" for tensor in call.tensors) or "none"
        return InvalidRequestError(
            f"model '{self._model}' wants the tensor '{name}', which did not come; "
            f"those that came: {came}"
        )
