"""The type of the fields that name a join strategy."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import PlainSerializer, PlainValidator

from penstock.core.joinspec import JoinSpec, parse_join

JoinField: TypeAlias = Annotated[JoinSpec, PlainValidator(parse_join), PlainSerializer(str)]

INNER: Final[JoinSpec] = parse_join("inner")
"""The join that is meant where none is written."""
