"""Why a row has its class: the rule that covers it, those that lead elsewhere, and what they are
worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.core.arrays import Array
from penstock.plugins.lux.rules import Condition, Rule, covering


class Known(NamedTuple):
    """Rows [n, features], and the numbers of their classes [n]."""

    rows: Array
    labels: Array


class Explanation(NamedTuple):
    """Of one row, as what becomes JSON. ``precision`` is 0 where nothing is known of it."""

    rule: dict[str, Any]
    counterfactuals: list[dict[str, Any]]
    precision: float
    fidelity: float


class Explaining:
    """Puts rules into words. ``judged`` are rows that the rules were not learned from."""

    def __init__(
        self, learned: Known, judged: Known, features: Sequence[str], classes: Sequence[str]
    ) -> None:
        self._learned = learned
        self._judged = judged
        self._features = features
        self._classes = classes
        deviations = learned.rows.std(axis=0)
        self._units = np.where(deviations > 0, deviations, 1.0)

    def explanation(self, rules: Sequence[Rule], row: Array, label: int, most: int) -> Explanation:
        """Of ``row`` [features], which has the class ``label``; ``most`` counterfactuals."""
        told = self._told(covering(rules, row))
        return Explanation(
            {"prediction": self._classes[label], **told},
            self._counterfactuals(rules, row, label)[:most],
            told["precision"] or 0.0,
            self._fidelity(rules),
        )

    def _told(self, rule: Rule) -> dict[str, Any]:
        covered = rule.covers(self._judged.rows)
        right = self._judged.labels[covered] == rule.label
        return {
            "class": self._classes[rule.label],
            "conditions": [self._condition(each) for each in rule.conditions],
            "precision": float(right.mean()) if len(right) else None,
            "coverage": float(covered.mean()),
            "covered": int(covered.sum()),
        }

    def _condition(self, condition: Condition) -> dict[str, Any]:
        return {
            "feature": self._features[condition.feature],
            "op": condition.operator,
            "threshold": condition.threshold,
        }

    def _counterfactuals(
        self, rules: Sequence[Rule], row: Array, label: int
    ) -> list[dict[str, Any]]:
        """Rules that lead elsewhere and a row that went there, as LUX has them: those that ask for
        the fewest changes first, and then those whose row is the nearest."""
        found = []
        for rule in rules:
            changes = [each for each in rule.conditions if not each.holds(row[None])[0]]
            covered = rule.covers(self._learned.rows) & (self._learned.labels == rule.label)
            if rule.label == label or not changes or not covered.any():
                continue
            rows = self._learned.rows[covered]
            distances = np.linalg.norm((rows - row) / self._units, axis=1)
            told = {
                **self._told(rule),
                "changes": [self._condition(each) for each in changes],
                "example": dict(
                    zip(self._features, rows[distances.argmin()].tolist(), strict=True)
                ),
            }
            found.append((len(changes), float(distances.min()), told))
        return [told for *_, told in sorted(found, key=lambda each: each[:2])]

    def _fidelity(self, rules: Sequence[Rule]) -> float:
        right = np.zeros(len(self._judged.rows), bool)
        for rule in rules:
            right |= rule.covers(self._judged.rows) & (self._judged.labels == rule.label)
        return float(right.mean())
