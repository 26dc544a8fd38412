"""Keys that are known and whose machinery is not there yet: refused, never silently ignored."""

from __future__ import annotations

from typing import Final

from penstock.core.config.config import Config
from penstock.core.positions import Problem

NOT_YET: Final = {
    ("limits", "open_joins"): "the bound of joins that wait for other pipelines",
}
"""Section and field, and what it is about."""


def unsupported_keys(config: Config) -> list[Problem]:
    """A problem for each such key that the file sets, whatever to."""
    problems = []
    for (section, field), machinery in NOT_YET.items():
        written = getattr(config, section)
        if field in written.model_fields_set:
            alias = type(written).model_fields[field].alias or field
            problems.append(
                config.problem(
                    (section, alias),
                    f"not supported yet: {machinery} will come with a later version",
                    "leave the key out",
                    of_key=True,
                )
            )
    return problems
