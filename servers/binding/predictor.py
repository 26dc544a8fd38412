"""What of a model object is called, and which parameters it takes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.core.annotations import (
    AnnotationError,
    hints_of,
    outputs_of,
    says_something,
    tensor_of,
    without_none,
)
from penstock.core.errors import InvalidRequestError
from penstock.core.inference import InferenceRequest
from penstock.core.model import CallContext, Model
from penstock.core.signature import Signature, TensorSpec


@dataclass(frozen=True, slots=True)
class Predictor:
    """A model's callable and what its definition says.

    ``tensors`` are the parameters that take one tensor each; those with a default are optional.
    ``by_position`` says that these are all, and can be given without their names. ``takes_rest`` is
    true with ``**tensors``. ``request`` and ``context`` are the names of the parameters annotated
    InferenceRequest and CallContext. ``outputs`` is None without a TypedDict.
    """

    function: Callable[..., Any]
    is_async: bool
    tensors: dict[str, TensorSpec]
    by_position: bool
    takes_rest: bool
    request: str | None
    context: str | None
    outputs: tuple[TensorSpec, ...] | None

    @property
    def takes_any(self) -> bool:
        """Whether tensors that no parameter names are taken as well."""
        return self.takes_rest or self.request is not None

    @property
    def signature(self) -> Signature:
        """What the annotations say."""
        known = says_something(self.tensors) and not self.takes_any
        return Signature(tuple(self.tensors.values()) if known else None, self.outputs)


def predictor_of(model: object) -> Predictor:
    """Read the definition of a model object: its ``predict``, or the object if it is a function.

    Raises InvalidRequestError with a sentence for the model's status.
    """
    if isinstance(model, Model) and model.signature_holds and model.signature is not None:
        return _signed(model, model.signature)
    function = getattr(model, "predict", model)
    if not callable(function):
        raise InvalidRequestError(
            f"a {type(model).__name__} is no model: it is neither a function nor has it a "
            "method 'predict'"
        )
    name = getattr(function, "__qualname__", type(function).__name__)
    # The method of a callable object tells what the object does not: hints, and async.
    described: Any = function.func if isinstance(function, functools.partial) else function
    if not inspect.isroutine(described):
        described = described.__call__
    if inspect.isgeneratorfunction(described) or inspect.isasyncgenfunction(described):
        raise InvalidRequestError(f"{name} yields; return a mapping from names to tensors instead")
    try:
        return _described(function, described, name)
    except AnnotationError as error:
        raise InvalidRequestError(f"{error}") from error


def _signed(model: Model, signature: Signature) -> Predictor:
    """The predictor of a model whose signature is not in annotations: names may be any text."""
    tensors = {each.name: each for each in signature.inputs or ()}
    return Predictor(
        model.predict,
        is_async=inspect.iscoroutinefunction(model.predict),
        tensors=tensors,
        by_position=False,
        takes_rest=False,
        request=None,
        context=None,
        outputs=signature.outputs,
    )


def _described(function: Callable[..., Any], described: Callable[..., Any], name: str) -> Predictor:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"the parameters of {name} cannot be read ({error}); wrap it in a function of your own"
        ) from error
    hints = hints_of(described, name)
    tensors: dict[str, TensorSpec] = {}
    special: dict[type, str] = {}
    takes_rest = False
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            takes_rest = True
            continue
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise InvalidRequestError(
                f"{name} takes '{parameter}' by position, and tensors are given by name; "
                "write a parameter for each tensor, or **tensors"
            )
        hint = hints.get(parameter.name)
        kind, _ = without_none(hint)
        if kind is InferenceRequest or kind is CallContext:
            if kind in special:
                raise InvalidRequestError(
                    f"{name} has two parameters annotated {kind.__name__}; one is enough"
                )
            special[kind] = parameter.name
        else:
            spec = tensor_of(parameter.name, hint)
            optional = parameter.default is not parameter.empty
            tensors[spec.name] = TensorSpec(spec.name, spec.datatype, spec.shape, optional)
    return Predictor(
        function,
        inspect.iscoroutinefunction(described),
        tensors,
        not special and all(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters),
        takes_rest,
        special.get(InferenceRequest),
        special.get(CallContext),
        outputs_of(hints.get("return")),
    )
