"""A bandit: what gives the arms of an experiment their shares, by what has become of requests."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, JsonValue

from penstock.core.resources.value import Text, Value


class BanditDeclaration(Value):
    """The ``bandit`` section of an experiment: a policy by ``name``, made with ``parameters``."""

    name: Text
    parameters: Mapping[str, JsonValue] = Field(default_factory=dict)
