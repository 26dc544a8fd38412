"""The parameters of a model's manifest, as a section of options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import ValidationError

from penstock.core.config.section import Section
from penstock.core.errors import InvalidRequestError
from penstock.core.nearest import did_you_mean

SectionT = TypeVar("SectionT", bound=Section)


def options_of_parameters(
    schema: type[SectionT], parameters: Mapping[str, object], whose: str
) -> SectionT:
    """The options that the parameters of a model say; ``whose`` they are is for the sentences.

    Raises InvalidRequestError.
    """
    try:
        return schema.model_validate(dict(parameters))
    except ValidationError as error:
        known = [each.alias or name for name, each in schema.model_fields.items()]
        said = []
        for problem in error.errors():
            key = ".".join(map(str, problem["loc"]))
            if problem["type"] == "extra_forbidden":
                hint = did_you_mean(key, known) or f"there are {', '.join(known)}"
                said.append(f"'{key}' is no parameter of {whose}; {hint}")
            else:
                said.append(f"'{key}': {problem['msg']}")
        raise InvalidRequestError("; ".join(said), details=said) from error
