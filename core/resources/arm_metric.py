"""A metric of the arms of an experiment, which a plug-in computes of each answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue

from penstock.core.resources.value import Name, Text, Value


class ArmMetricDeclaration(Value):
    """One item of ``metrics`` of an experiment.

    ``name`` is what it is called, ``measure`` what computes it, made with ``parameters``.
    ``better`` says what is, None where neither is.
    """

    name: Name
    measure: Text
    parameters: Mapping[str, JsonValue] = Field(default_factory=dict)
    better: Literal["higher", "lower"] | None = None
