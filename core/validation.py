"""What pydantic found wrong, as sentences that say where and what to do."""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from penstock.core.nearest import did_you_mean
from penstock.core.problems import KeyPath, Problem, format_path

if TYPE_CHECKING:
    from penstock.core.positions import PositionedDocument

_SHOWN_LENGTH: Final = 60
_WORDS: Final = re.compile(r"'([^']*)'")

_WANTED: Final[Mapping[str, str]] = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping of keys to values",
    "mapping_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "dataclass_type": "a mapping of keys to values",
    "path_type": "a path",
}
"""What a value must be, for the errors that are about its kind alone."""

_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "at least {}"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "at most {}"),
    "multiple_of": ("multiple_of", "a multiple of {}"),
    "string_too_short": ("min_length", "at least {} characters long"),
    "string_too_long": ("max_length", "at most {} characters long"),
    "string_pattern_mismatch": ("pattern", "of the form {}"),
}


def problems_of_validation(
    error: ValidationError,
    document: PositionedDocument,
    model: type[BaseModel],
    *,
    at: KeyPath = (),
) -> list[Problem]:
    """Every error as a problem with its position in ``document``, in the document's order.

    ``model`` is what was validated, and ``at`` the path of its value in the document. An unknown
    key comes with the nearest known one. Of a value that fits none of several allowed shapes, the
    shape that it resembles most is spoken of.
    """
    found: dict[KeyPath, list[_Finding]] = {}
    for details in error.errors(include_url=False):
        path, in_union = _path_of(details, document, at)
        finding = _Finding(details, path, in_union)
        found.setdefault(path, []).append(finding)
    problems = [
        _problem(findings, document, model)
        for path, findings in found.items()
        if not (findings[0].of_other_shape and _any_below(path, found))
    ]
    return sorted(problems, key=lambda problem: problem.position)


class _Finding:
    """One pydantic error with the path of its value in the document."""

    __slots__ = ("details", "in_union", "path")

    def __init__(self, details: ErrorDetails, path: KeyPath, in_union: bool) -> None:
        self.details = details
        self.path = path
        self.in_union = in_union

    @property
    def of_other_shape(self) -> bool:
        """Whether it only says that the value does not have one of the shapes it may have."""
        return self.in_union and self.details["type"] in _WANTED

    def wanted(self) -> str | None:
        """What the value must be, or None when the error is about something else."""
        kind, context = self.details["type"], self.details.get("ctx", {})
        if kind in _BOUNDS:
            name, wording = _BOUNDS[kind]
            bound = context[name]
            return wording.format(f"{bound:g}" if isinstance(bound, float) else bound)
        if kind in ("literal_error", "enum"):
            expected = str(context["expected"])
            return f"one of {expected}" if " or " in expected else expected
        return _WANTED.get(kind)


def _any_below(path: KeyPath, found: Iterable[KeyPath]) -> bool:
    return any(len(other) > len(path) and other[: len(path)] == path for other in found)


def _path_of(
    details: ErrorDetails, document: PositionedDocument, at: KeyPath
) -> tuple[KeyPath, bool]:
    """The path of an error, and whether it came from one of several allowed shapes.

    pydantic puts names of shapes (``str``, ``list[Step]``) between the keys; those are left out.
    """
    path, in_union = at, False
    for index, element in enumerate(details["loc"]):
        is_missing_key = details["type"] == "missing" and index == len(details["loc"]) - 1
        if is_missing_key or document.has((*path, element)):
            path = (*path, element)
        else:
            in_union = True
    return path, in_union


def _problem(
    findings: list[_Finding], document: PositionedDocument, model: type[BaseModel]
) -> Problem:
    """One problem out of all that is wrong with one value."""
    first = findings[0]
    kind, given = first.details["type"], first.details["input"]
    context = first.details.get("ctx", {})
    hint: str | None = None
    of_key = False
    wanted = list(dict.fromkeys(filter(None, (finding.wanted() for finding in findings))))
    if wanted:
        message = f"must be {' or '.join(wanted)}, not {_shown(given)}"
        if wanted == ["text"] and isinstance(given, bool | int | float):
            hint = "put it into quotes"
        elif kind == "literal_error" and isinstance(given, str):
            hint = did_you_mean(given, _WORDS.findall(context["expected"]))
    elif kind == "extra_forbidden":
        key = str(first.path[-1])
        known = _known_keys(model, first.details["loc"][:-1])
        message, of_key = f"unknown key '{key}'", True
        hint = did_you_mean(key, known) or f"known here: {', '.join(sorted(known)) or 'no keys'}"
    elif kind == "missing":
        message = "this key is required"
    elif kind == "union_tag_invalid":
        expected, key = context["expected_tags"], context["discriminator"].strip("'")
        message = f"{key} must be one of {expected}, not '{context['tag']}'"
        hint = did_you_mean(context["tag"], _WORDS.findall(expected))
    elif kind == "union_tag_not_found":
        message = f"the key {context['discriminator']} is required"
    elif kind in ("value_error", "assertion_error"):
        message = str(context["error"])
    else:
        message = first.details["msg"][:1].lower() + first.details["msg"][1:]
    position = document.position(first.path, of_key=of_key)
    return Problem(position, format_path(first.path), message, hint)


def _shown(value: object) -> str:
    """A value as its author would know it again, shortened."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}..."


def _known_keys(model: type[BaseModel], location: tuple[str | int, ...]) -> set[str]:
    """The keys that the mapping at ``location`` may have, over all shapes that it may take."""
    shapes: list[object] = [model]
    for element in location:
        named = [shape for shape in shapes if getattr(shape, "__name__", None) == element]
        inner = [step for shape in shapes for step in _inside(shape, element)]
        # An element that is no key is the name of a shape, or the tag of one.
        shapes = inner or named or shapes
    return {
        field.alias or name
        for shape in shapes
        if isinstance(shape, type) and issubclass(shape, BaseModel)
        for name, field in shape.model_fields.items()
    }


def _inside(shape: object, element: str | int) -> Iterator[object]:
    """The shapes of what stands under ``element`` (a key or an index) in ``shape``."""
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        for name, field in shape.model_fields.items():
            if element == (field.alias or name):
                yield from _shapes(field.annotation)
        return
    origin, arguments = get_origin(shape), get_args(shape)
    if isinstance(origin, type) and arguments:
        if issubclass(origin, Mapping):
            yield from _shapes(arguments[1])
        elif isinstance(element, int) and issubclass(origin, Collection):
            yield from _shapes(arguments[0])


def _shapes(annotation: object) -> Iterator[object]:
    """``annotation`` with ``Annotated`` taken off and unions taken apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _shapes(get_args(annotation)[0])
    elif origin is Union or origin is types.UnionType:
        for argument in get_args(annotation):
            yield from _shapes(argument)
    else:
        yield annotation
