"""The rule for the names of resources and steps (DATAFLOW.md, "Words")."""

from __future__ import annotations

import re
from typing import Final

MAX_NAME_LENGTH: Final = 63

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?")


def problem_of_name(name: str) -> str | None:
    """What is wrong with ``name``, as a sentence, or None for a good one."""
    if len(name) > MAX_NAME_LENGTH:
        return (
            f"the name '{name[:MAX_NAME_LENGTH]}...' has {len(name)} characters, "
            f"and {MAX_NAME_LENGTH} are allowed"
        )
    if NAME_PATTERN.fullmatch(name) is None:
        if not name:
            return "a name is missing"
        return (
            f"'{name}' is no name: letters, digits, '-' and '_' are allowed, "
            "with a letter or digit at both ends"
        )
    return None
