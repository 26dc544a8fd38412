"""What annotations say of tensors: ``Annotated[NDArray[np.float32], Shape("n", 4)]`` and the like.

An annotation that says nothing of a tensor (``float``, ``np.ndarray``, another library's array)
is no error: what is not known is not checked.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import (
    Annotated,
    Any,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import numpy as np

from penstock.core.datatypes import datatype_of
from penstock.core.model import Shape
from penstock.core.signature import Dimension, TensorSpec


class AnnotationError(ValueError):
    """An annotation that cannot be read; the text is a sentence that names it."""


def hints_of(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """The annotations of a function, evaluated, by parameter and ``return``.

    ``name`` is what sentences call the function. Raises AnnotationError when one of them cannot be
    evaluated, as it names something that is imported for type checkers only.
    """
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise AnnotationError(
            f"the annotations of {name} cannot be evaluated: {type(error).__name__}: {error}; "
            "import what they name where the module runs, not for type checkers only"
        ) from error


def tensor_of(name: str, hint: Any) -> TensorSpec:
    """What an annotation says of the tensor of that name; unions with None make it optional.

    Raises AnnotationError for numpy types that V2 has no datatype for.
    """
    datatype: str | None = None
    shape: tuple[Dimension, ...] | None = None
    hint, optional = without_none(hint)
    while get_origin(hint) is Annotated:
        hint, *extras = get_args(hint)
        for extra in extras:
            if isinstance(extra, Shape):
                shape = extra.dimensions
        hint, may_be_none = without_none(hint)
        optional = optional or may_be_none
    if get_origin(hint) is np.ndarray:
        datatype = _datatype(name, get_args(hint))
    return TensorSpec(name, datatype, shape, optional)


def outputs_of(hint: Any) -> tuple[TensorSpec, ...] | None:
    """The tensors of a result that is annotated with a TypedDict; None for any other annotation.

    Keys that are not required, or may be None, are optional; all are when the result may be None.
    Raises AnnotationError when a field's annotation cannot be read.
    """
    hint, may_be_none = without_none(hint)
    if not is_typeddict(hint):
        return None
    # Annotations that are text hide their NotRequired from the class's own sets of keys.
    fields = hints_of(hint, hint.__name__)
    outputs = []
    for name, written in fields.items():
        field, optional = written, name in hint.__optional_keys__
        while (mark := _mark(field)) in ("Required", "NotRequired"):
            optional = mark == "NotRequired"
            [field] = get_args(field)
        spec = tensor_of(name, field)
        optional = optional or spec.optional or may_be_none
        outputs.append(TensorSpec(name, spec.datatype, spec.shape, optional))
    return tuple(outputs)


def without_none(hint: Any) -> tuple[Any, bool]:
    """``X`` and true for ``X | None``, else the annotation itself and false; written out."""
    hint = written_out(hint)
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    members = get_args(hint)
    others = [member for member in members if member is not type(None)]
    if len(others) == 1 and len(members) == 2:
        return written_out(others[0]), True
    return hint, type(None) in members


def written_out(hint: Any) -> Any:
    """What an alias of the statement ``type`` (PEP 695) stands for, any other annotation itself.

    From numpy 2.5 on, which is for Python 3.12 and later, ``NDArray`` is such an alias.
    """
    while True:
        arguments = get_args(hint)
        alias = get_origin(hint) if arguments else hint
        value = getattr(alias, "__value__", None)
        if value is None:
            return hint
        hint = value[arguments] if arguments else value


def _mark(hint: Any) -> str | None:
    """The name of a special form, also of those that an older Python (a worker may run on one) has
    from ``typing_extensions`` alone."""
    return getattr(get_origin(hint), "_name", None)


def says_something(specs: Mapping[str, TensorSpec]) -> bool:
    """Whether any of the tensors has a datatype or a shape."""
    return any(spec.datatype is not None or spec.shape is not None for spec in specs.values())


def _datatype(name: str, arguments: tuple[Any, ...]) -> str | None:
    """The datatype of ``np.ndarray[shape, np.dtype[scalar]]``; None for an abstract scalar."""
    dtype_arguments = get_args(arguments[-1])
    scalar = dtype_arguments[0] if dtype_arguments else None
    if not isinstance(scalar, type) or not issubclass(scalar, np.generic) or scalar in _ABSTRACT:
        return None
    try:
        return datatype_of(np.dtype(scalar)).name
    except TypeError as error:
        raise AnnotationError(f"the annotation of tensor '{name}': {error}") from error


_ABSTRACT = frozenset(
    (
        np.generic,
        np.number,
        np.integer,
        np.signedinteger,
        np.unsignedinteger,
        np.inexact,
        np.floating,
        np.complexfloating,
        np.flexible,
        np.character,
    )
)
"""Scalar types of numpy that several datatypes belong to."""
