"""What becomes of a field of a manifest, and the row of the table that says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

ANY: Final = "*"
"""In a pattern: every item of a list, or every key of a mapping."""

Pattern: TypeAlias = tuple[str, ...]
"""A way to a field, as ``("spec", "steps", "*", "batch")``."""


class Outcome(Enum):
    """The outcomes that a field can have. None is ignored without a word."""

    HONOURED = "honoured"
    REFUSED = "refused"
    """Never going to be honoured: the manifest is refused, and the row says why."""
    IDLE = "accepted without effect"
    """With a warning, and a condition in the resource's status."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One row: a field, its outcome, what it means, and for two of the outcomes the reason.

    ``reason`` is a sentence without a full stop; it is empty where the section around the field
    tells it. A field whose value is among ``harmless`` asks for nothing that is not there, and has
    no consequence; nor has one that is null. ``seldon`` marks the fields of
    ``mlops.seldon.io/v1alpha1``, ``foreign`` those that the typed values do not have.
    """

    pattern: Pattern
    outcome: Outcome
    meaning: str
    reason: str = ""
    harmless: tuple[object, ...] = ()
    seldon: bool = True
    foreign: bool = False

    @property
    def path(self) -> str:
        """The field as people write it: ``spec.steps[].batch``."""
        return ".".join(self.pattern).replace(f".{ANY}", "[]")

    def harms(self, value: object) -> bool:
        """Whether the outcome has a consequence for a field with this value."""
        if not self.reason or value is None:
            return False
        # 0 and False, 1 and True are equal in Python, and not the same in a manifest.
        return not any(type(value) is type(other) and value == other for other in self.harmless)
