"""Rules: conditions on features that lead to a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from penstock.core.arrays import Array


class Condition(NamedTuple):
    """The value of the column ``feature`` is below ``threshold``, or not below it."""

    feature: int
    operator: Literal["<", ">="]
    threshold: float

    def holds(self, rows: Array) -> Array:
        """For which of ``rows`` [n, features] it does, as BOOL [n]."""
        values = rows[:, self.feature]
        below: Array = values < self.threshold
        return below if self.operator == "<" else ~below


class Rule(NamedTuple):
    """All ``conditions`` together lead to the class of the number ``label``."""

    conditions: tuple[Condition, ...]
    label: int

    def covers(self, rows: Array) -> Array:
        """For which of ``rows`` [n, features] all conditions hold, as BOOL [n]."""
        covered = np.ones(len(rows), bool)
        for condition in self.conditions:
            covered &= condition.holds(rows)
        return covered


def covering(rules: Sequence[Rule], row: Array) -> Rule:
    """The one of the rules of a tree that covers ``row`` [features]."""
    return next(rule for rule in rules if rule.covers(row[None])[0])


def column_names(width: int) -> list[str]:
    """What the features are called in the library, which takes names apart and computes with what
    it finds in them."""
    return [f"x{feature}" for feature in range(width)]


def rule_of(leaf: Mapping[str, Any]) -> Rule:
    """The rule of a leaf as LUX writes it: ``{"rule": {"x3": ["<1.5", ">=0.2"]}, "prediction":
    "1"}``."""
    conditions = [
        _condition(int(name[1:]), text)
        for name, texts in leaf["rule"].items()
        for text in _texts(texts)
    ]
    return Rule(tuple(conditions), int(leaf["prediction"]))


def _texts(texts: Sequence[str]) -> list[str]:
    return [text.replace(" ", "") for text in texts]


def _condition(feature: int, text: str) -> Condition:
    if text.startswith(">="):
        return Condition(feature, ">=", float(text[2:]))
    return Condition(feature, "<", float(text.removeprefix("<")))
