"""The rule for the names of resources and steps (DATAFLOW.md, "Words"), and names of copies."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import count
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


def name_of_copy(model: str, version: int, taken: Collection[str]) -> str:
    """What a server calls a version of a model: each version has a name of its own, so that two
    are there side by side and each can go alone. No other version has it, nor one that is there
    still, as ``taken`` says."""
    name = f"{model}_{version}"
    return next(
        each
        for number in count(1)
        if (each := name if number == 1 else f"{name}-{number}") not in taken
    )
