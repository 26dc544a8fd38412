"""The parameters of a model: a mapping, or Seldon's list of names and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, JsonValue


def parameters_of(written: object) -> object:
    """``[{name: a, value: "1"}]`` as ``{a: "1"}``; anything else as it is.

    The values of a list are text, as they were written. Raises ValueError with a sentence when an
    item is no name with a value, or a name stands twice.
    """
    if not isinstance(written, list | tuple):
        return written
    parameters: dict[str, object] = {}
    for item in written:
        if not isinstance(item, dict) or set(item) != {"name", "value"}:
            raise ValueError("each parameter of the list has the keys name and value, no others")
        name = item["name"]
        if not isinstance(name, str):
            raise ValueError("the name of a parameter must be text")
        if name in parameters:
            raise ValueError(f"the parameter '{name}' stands twice")
        parameters[name] = item["value"]
    return parameters


ModelParameters: TypeAlias = Annotated[Mapping[str, JsonValue], BeforeValidator(parameters_of)]
