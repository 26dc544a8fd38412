"""How a manifest names a join: ``inner``, ``quorum(2, withinMs=50)``, ``{name: quorum, n: 2}``."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol, TypeAlias

from penstock.core.contracts.join import JoinStrategy
from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.names import problem_of_name

JoinArgument: TypeAlias = bool | int | float | str

MAX_LENGTH: Final = 500

_CALL: Final = re.compile(r"\s*([^\s()]+)\s*(?:\((.*)\)\s*)?", re.DOTALL)
_ARGUMENT: Final = re.compile(
    r"""\s*
    (?:(?P<keyword>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*)?
    (?:(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)
      |(?P<flag>true|false|True|False)(?![A-Za-z0-9_])
      |'(?P<single>[^']*)'|"(?P<double>[^"]*)")
    \s*(?P<end>,|$)""",
    re.VERBOSE,
)
_CAMEL: Final = re.compile(r"(?<=[A-Za-z0-9])([A-Z])")
_SNAKE: Final = re.compile(r"(?<=[a-z0-9])_([a-z])")


class JoinSpecError(InvalidRequestError, ValueError):
    """A join is written wrong, is unknown, or refuses its arguments."""


@dataclass(frozen=True, slots=True)
class JoinSpec:
    """A join strategy by name, with the arguments of its constructor.

    ``kwargs`` have the constructor's names (``within_ms``), in alphabetical order.
    """

    name: str
    args: tuple[JoinArgument, ...] = ()
    kwargs: tuple[tuple[str, JoinArgument], ...] = ()

    def __str__(self) -> str:
        arguments = [_written(value) for value in self.args]
        arguments += [f"{_camel(name)}={_written(value)}" for name, value in self.kwargs]
        return f"{self.name}({', '.join(arguments)})" if arguments else self.name


class JoinFactories(Protocol):
    """Where join strategies are found by name; the plug-ins' registry of joins is one."""

    def get(self, name: str) -> Callable[..., JoinStrategy]:
        """What makes the strategy. Raises NotFoundError with the nearest name."""


def parse_join(value: object) -> JoinSpec:
    """Read a join as it stands in a manifest: text, or a mapping with ``name`` and its options.

    Arguments are literals: numbers, text in quotes, true and false. Raises JoinSpecError (which
    is a ValueError) with a sentence.
    """
    if isinstance(value, JoinSpec):
        return value
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, Mapping):
        return _parse_mapping(value)
    raise JoinSpecError(
        "a join is written as a name, as quorum(2), or as a mapping with the key 'name'"
    )


def make_join(spec: JoinSpec, factories: JoinFactories) -> JoinStrategy:
    """The strategy that ``spec`` names.

    Raises JoinSpecError for an unknown name (with the nearest one), when the arguments do not fit
    the constructor (the sentence shows how it is written), and when the constructor refuses them.
    """
    try:
        factory = factories.get(spec.name)
    except NotFoundError as error:
        raise JoinSpecError(error.message) from error
    keywords = dict(spec.kwargs)
    try:
        signature = _signature(factory)
    except ValueError as error:
        raise JoinSpecError(f"the join '{spec.name}' cannot be made: {error}") from error
    try:
        signature.bind(*spec.args, **keywords)
    except TypeError as error:
        raise JoinSpecError(
            f"the join '{spec}' does not fit: {error}; it is written {_usage(spec.name, signature)}"
        ) from error
    try:
        strategy = factory(*spec.args, **keywords)
    except (TypeError, ValueError) as error:
        raise JoinSpecError(
            f"the join '{spec}' is refused: {error}; it is written {_usage(spec.name, signature)}"
        ) from error
    if not isinstance(strategy, JoinStrategy):
        raise JoinSpecError(
            f"the join '{spec.name}' gave a {type(strategy).__name__}, which is no JoinStrategy"
        )
    return strategy


@lru_cache(maxsize=256)
def _signature(factory: Callable[..., object]) -> inspect.Signature:
    """Found out once for each strategy: thousands of models have the same joins."""
    return inspect.signature(factory)


def _parse_text(text: str) -> JoinSpec:
    if len(text) > MAX_LENGTH:
        raise JoinSpecError(f"a join is written in at most {MAX_LENGTH} characters")
    match = _CALL.fullmatch(text)
    if match is None:
        raise JoinSpecError(f"'{text}' is no join; write a name, or a name with arguments in ()")
    name, inside = match.groups()
    _check_name(name)
    arguments: list[JoinArgument] = []
    keywords: dict[str, JoinArgument] = {}
    rest = (inside or "").strip()
    while rest:
        argument = _ARGUMENT.match(rest)
        if argument is None or (argument["end"] and not rest[argument.end() :].strip()):
            raise JoinSpecError(
                f"'{rest}' in the join '{text.strip()}' is no argument; "
                "write numbers, 'text' in quotes, true or false, separated by commas"
            )
        rest = rest[argument.end() :].strip()
        keyword, value = argument["keyword"], _value(argument)
        if isinstance(value, float) and not math.isfinite(value):
            raise JoinSpecError(
                f"'{argument['number']}' in the join '{text.strip()}' is too large a number"
            )
        if keyword is None and keywords:
            raise JoinSpecError(
                f"in the join '{text.strip()}' the arguments without a name come first"
            )
        if keyword is None:
            arguments.append(value)
        else:
            _add_keyword(keywords, keyword, value, name)
    return JoinSpec(name, tuple(arguments), tuple(sorted(keywords.items())))


def _parse_mapping(mapping: Mapping[object, object]) -> JoinSpec:
    name = mapping.get("name")
    if not isinstance(name, str):
        raise JoinSpecError("a join that is written as a mapping needs the key 'name'")
    _check_name(name)
    keywords: dict[str, JoinArgument] = {}
    for key, value in mapping.items():
        if not isinstance(value, bool | int | float | str):
            raise JoinSpecError(
                f"'{key}' of the join '{name}' must be a number, text, true or false"
            )
        if isinstance(value, str) and "'" in value and '"' in value:
            raise JoinSpecError(f"'{key}' of the join '{name}' may hold only one kind of quotes")
        if key != "name":
            _add_keyword(keywords, str(key), value, name)
    return JoinSpec(name, (), tuple(sorted(keywords.items())))


def _check_name(name: str) -> None:
    problem = problem_of_name(name)
    if problem is not None:
        raise JoinSpecError(problem)


def _add_keyword(
    keywords: dict[str, JoinArgument], written: str, value: JoinArgument, join: str
) -> None:
    keyword = _CAMEL.sub(r"_\1", written).lower()
    if keyword in keywords:
        raise JoinSpecError(f"'{written}' of the join '{join}' is written twice")
    keywords[keyword] = value


def _value(argument: re.Match[str]) -> JoinArgument:
    if argument["number"] is not None:
        number = argument["number"]
        return float(number) if set(number) & set(".eE") else int(number)
    if argument["flag"] is not None:
        return argument["flag"] in ("true", "True")
    text = argument["single"]
    return text if text is not None else argument["double"]


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
