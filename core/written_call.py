"""Plug-ins that people name with arguments: ``inner``, ``quorum(2, withinMs=50)``."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol, TypeAlias, TypeVar

from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.names import problem_of_name

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Argument: TypeAlias = bool | int | float | str

MAX_LENGTH: Final = 500

_CALL: Final = re.compile(r"\s*([^\s()]+)\s*(?:\((.*)\)\s*)?", re.DOTALL)
_LITERAL: Final = r"""\s*
    (?:(?P<keyword>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*)?
    (?:(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)
      |(?P<flag>true|false|True|False)(?![A-Za-z0-9_])
      |'(?P<single>[^']*)'|"(?P<double>[^"]*)"
      |(?P<word>%s))
    \s*(?P<end>,|$)"""
_ARGUMENT: Final = re.compile(_LITERAL % "(?!)", re.VERBOSE)
_WITH_WORDS: Final = re.compile(_LITERAL % "[A-Za-z][A-Za-z0-9_.-]*", re.VERBOSE)
_CAMEL: Final = re.compile(r"(?<=[A-Za-z0-9])([A-Z])")
_SNAKE: Final = re.compile(r"(?<=[a-z0-9])_([a-z])")


class WrittenCallError(InvalidRequestError, ValueError):
    """It is written wrong, is unknown, or refuses its arguments."""


@dataclass(frozen=True, slots=True)
class WrittenCall:
    """A plug-in by name, with the arguments of its constructor.

    ``kwargs`` have the constructor's names (``within_ms``), in alphabetical order.
    """

    name: str
    args: tuple[Argument, ...] = ()
    kwargs: tuple[tuple[str, Argument], ...] = ()

    def __str__(self) -> str:
        arguments = [_written(value) for value in self.args]
        arguments += [f"{_camel(name)}={_written(value)}" for name, value in self.kwargs]
        return f"{self.name}({', '.join(arguments)})" if arguments else self.name


class Factories(Protocol[T_co]):
    """Where plug-ins of one kind are found by name; the registry of a kind is one."""

    def get(self, name: str) -> Callable[..., T_co]:
        """What makes it. Raises NotFoundError with the nearest name."""


def make_called(call: WrittenCall, factories: Factories[T], contract: type[T], noun: str) -> T:
    """What ``call`` names.

    Raises WrittenCallError for an unknown name (with the nearest one), when the arguments do not
    fit the constructor (the sentence shows how it is written), and when the constructor refuses
    them.
    """
    try:
        factory = factories.get(call.name)
    except NotFoundError as error:
        raise WrittenCallError(error.message) from error
    keywords = dict(call.kwargs)
    try:
        signature = _signature(factory)
    except ValueError as error:
        raise WrittenCallError(f"the {noun} '{call.name}' cannot be made: {error}") from error
    try:
        signature.bind(*call.args, **keywords)
    except TypeError as error:
        raise WrittenCallError(
            f"the {noun} '{call}' does not fit: {error}; it is written "
            f"{_usage(call.name, signature)}"
        ) from error
    try:
        made = factory(*call.args, **keywords)
    except (TypeError, ValueError) as error:
        raise WrittenCallError(
            f"the {noun} '{call}' is refused: {error}; it is written {_usage(call.name, signature)}"
        ) from error
    if not isinstance(made, contract):
        raise WrittenCallError(
            f"the {noun} '{call.name}' gave a {type(made).__name__}, "
            f"which is no {contract.__name__}"
        )
    return made


@lru_cache(maxsize=256)
def _signature(factory: Callable[..., object]) -> inspect.Signature:
    """Found out once for each: thousands of models have the same joins."""
    return inspect.signature(factory)


def read_call(text: str, noun: str, *, words: bool = False) -> WrittenCall:
    """Read a name, or a name with arguments in ().

    Arguments are literals: numbers, text in quotes, true and false; with ``words`` also text of one
    word without quotes. Raises WrittenCallError, which calls it a ``noun``.
    """
    if len(text) > MAX_LENGTH:
        raise WrittenCallError(f"a {noun} is written in at most {MAX_LENGTH} characters")
    match = _CALL.fullmatch(text)
    if match is None:
        raise WrittenCallError(
            f"'{text}' is no {noun}; write a name, or a name with arguments in ()"
        )
    name, inside = match.groups()
    check_name(name)
    arguments: list[Argument] = []
    keywords: dict[str, Argument] = {}
    rest = (inside or "").strip()
    pattern = _WITH_WORDS if words else _ARGUMENT
    while rest:
        argument = pattern.match(rest)
        if argument is None or (argument["end"] and not rest[argument.end() :].strip()):
            raise WrittenCallError(
                f"'{rest}' in the {noun} '{text.strip()}' is no argument; "
                "write numbers, 'text' in quotes, true or false, separated by commas"
            )
        rest = rest[argument.end() :].strip()
        keyword, value = argument["keyword"], _value(argument)
        if isinstance(value, float) and not math.isfinite(value):
            raise WrittenCallError(
                f"'{argument['number']}' in the {noun} '{text.strip()}' is too large a number"
            )
        if keyword is None and keywords:
            raise WrittenCallError(
                f"in the {noun} '{text.strip()}' the arguments without a name come first"
            )
        if keyword is None:
            arguments.append(value)
        else:
            add_keyword(keywords, keyword, value, f"{noun} '{name}'")
    return WrittenCall(name, tuple(arguments), tuple(sorted(keywords.items())))


def check_name(name: str) -> None:
    """Raise WrittenCallError for what is no name."""
    problem = problem_of_name(name)
    if problem is not None:
        raise WrittenCallError(problem)


def add_keyword(keywords: dict[str, Argument], written: str, value: Argument, owner: str) -> None:
    """Take one more argument with a name, in the constructor's spelling of it."""
    keyword = _CAMEL.sub(r"_\1", written).lower()
    if keyword in keywords:
        raise WrittenCallError(f"'{written}' of the {owner} is written twice")
    keywords[keyword] = value


def _value(argument: re.Match[str]) -> Argument:
    if argument["number"] is not None:
        number = argument["number"]
        return float(number) if set(number) & set(".eE") else int(number)
    if argument["flag"] is not None:
        return argument["flag"] in ("true", "True")
    return next(
        argument[kind] for kind in ("single", "double", "word") if argument[kind] is not None
    )


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if "'" in value else f"'{value}'"
    return str(value)


def _camel(name: str) -> str:
    return _SNAKE.sub(lambda match: match[1].upper(), name)


def _usage(name: str, signature: inspect.Signature) -> str:
    """The constructor as a manifest writes it: ``quorum(n, withinMs=None)``."""
    parts = []
    for parameter in signature.parameters.values():
        part = _camel(parameter.name)
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            part = f"{part}..."
        elif parameter.default is not parameter.empty:
            part += f"={_written(parameter.default)}"
        parts.append(part)
    return f"{name}({', '.join(parts)})" if parts else name
