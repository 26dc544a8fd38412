"""How a manifest names a join: ``inner``, ``quorum(2, withinMs=50)``, ``{name: quorum, n: 2}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from penstock.core.contracts.join import JoinStrategy
from penstock.core.written_call import (
    MAX_LENGTH,
    Argument,
    Factories,
    WrittenCall,
    WrittenCallError,
    add_keyword,
    check_name,
    make_called,
    read_call,
)

__all__ = ["MAX_LENGTH", "JoinFactories", "JoinSpec", "JoinSpecError", "make_join", "parse_join"]

JoinSpec: TypeAlias = WrittenCall
JoinSpecError: TypeAlias = WrittenCallError
JoinFactories: TypeAlias = Factories[JoinStrategy]


def parse_join(value: object) -> JoinSpec:
    """Read a join as it stands in a manifest: text, or a mapping with ``name`` and its options.

    Arguments are literals: numbers, text in quotes, true and false. Raises JoinSpecError (which
    is a ValueError) with a sentence.
    """
    if isinstance(value, JoinSpec):
        return value
    if isinstance(value, str):
        return read_call(value, "join")
    if isinstance(value, Mapping):
        return _parse_mapping(value)
    raise JoinSpecError(
        "a join is written as a name, as quorum(2), or as a mapping with the key 'name'"
    )


def make_join(spec: JoinSpec, factories: JoinFactories) -> JoinStrategy:
    """The strategy that ``spec`` names. Raises JoinSpecError as :func:`make_called`."""
    # An abstract class is what is checked here, and no instance is made of it.
    return make_called(spec, factories, JoinStrategy, "join")  # type: ignore[type-abstract]


def _parse_mapping(mapping: Mapping[object, object]) -> JoinSpec:
    name = mapping.get("name")
    if not isinstance(name, str):
        raise JoinSpecError("a join that is written as a mapping needs the key 'name'")
    check_name(name)
    keywords: dict[str, Argument] = {}
    for key, value in mapping.items():
        if not isinstance(value, bool | int | float | str):
            raise JoinSpecError(
                f"'{key}' of the join '{name}' must be a number, text, true or false"
            )
        if isinstance(value, str) and "'" in value and '"' in value:
            raise JoinSpecError(f"'{key}' of the join '{name}' may hold only one kind of quotes")
        if key != "name":
            add_keyword(keywords, str(key), value, f"join '{name}'")
    return JoinSpec(name, (), tuple(sorted(keywords.items())))
