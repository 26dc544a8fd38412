"""What all parts of a manifest have in common, and the types of their fields."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from penstock.core.names import problem_of_name

MAX_MILLISECONDS: Final = 366 * 24 * 3600 * 1000
"""The longest time a manifest may name, a year: more is a mistake in the unit."""


class Value(BaseModel):
    """A part of a manifest: it never changes, and takes no key that it does not know.

    Keys are camelCase in manifests and snake_case here. Two are equal when they mean the same,
    whether a default was written out or not.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


def _named(text: str) -> str:
    problem = problem_of_name(text)
    if problem is not None:
        raise ValueError(problem)
    return text


def _none_for_zero(value: int | None) -> int | None:
    return value or None


def _auto_or_none_for_zero(value: int | Literal["auto"] | None) -> int | Literal["auto"] | None:
    return value or None


Name: TypeAlias = Annotated[str, AfterValidator(_named)]
"""The name of a resource or a step."""

Text: TypeAlias = Annotated[str, Field(min_length=1)]

Flag: TypeAlias = Annotated[bool, Field(strict=True)]

Count: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]

PositiveCount: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]

Milliseconds: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=MAX_MILLISECONDS)]

PositiveMilliseconds: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=MAX_MILLISECONDS)]

Share: TypeAlias = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]
"""A part of a whole: 0.05 is five percent."""

Window: TypeAlias = Annotated[Milliseconds | None, AfterValidator(_none_for_zero)]
"""Milliseconds; 0 is as if not written."""

AutoWindow: TypeAlias = Annotated[
    Milliseconds | Literal["auto"] | None, AfterValidator(_auto_or_none_for_zero)
]
"""The same, or ``auto``: up to the deadline, less what the rest of the pipeline needs."""
