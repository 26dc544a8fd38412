"""What all sections of the config file have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """The base of every section, also of those that plug-ins register.

    It never changes, takes no key that it does not know, and has camelCase keys in the file for
    snake_case names in Python.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        validate_default=True,
    )

    def placed(self, folder: Path) -> Self:
        """The same section, with the paths in it relative to ``folder``."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        placed = {name: _placed(value, folder) for name, value in values.items()}
        return self.model_copy(update={n: p for n, p in placed.items() if p is not values[n]})


def _placed(value: object, folder: Path) -> object:
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, Section):
        return value.placed(folder)
    if isinstance(value, tuple):
        return tuple(_placed(each, folder) for each in value)
    return value
