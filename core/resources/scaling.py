"""What a model's manifest says of being scaled by its load."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

TARGET: Final = "penstock.io/scaling-target"
"""The annotation with what each replica of a model is to have, in the unit of the policy."""

IDLE_MS: Final = "penstock.io/scaling-idle-ms"
"""The annotation with how long a model is not called before its last copy goes."""


class ReplicaBounds(NamedTuple):
    """How few and how many copies a model may be scaled to; with ``least`` 0 it may sleep."""

    least: int
    most: int

    def within(self, replicas: int) -> int:
        """The number of replicas next to ``replicas`` that it may have."""
        return min(max(replicas, self.least), self.most)


def bounds_of(
    start: int, min_replicas: int | None, max_replicas: int | None
) -> ReplicaBounds | None:
    """The bounds of a model that begins with ``start`` copies; None where it is not scaled.

    Only who says how many it may have at the most, or that it may have none, is scaled: a number of
    replicas alone is that number. Without copies to begin with it is switched off, and nothing
    switches it on. As in Seldon's manifests, 0 as the most is as if it were not written.
    """
    least = 1 if min_replicas is None else min_replicas
    if not start or (not max_replicas and least):
        return None
    most = max(max_replicas or start, least, 1)
    return ReplicaBounds(least, most) if not least or least < most else None


def scaling_number(annotations: Mapping[str, str], name: str) -> float | None:
    """The number in an annotation, None where it is not written. Raises ValueError with a sentence
    for what is no number above 0."""
    written = annotations.get(name)
    if written is None:
        return None
    try:
        number = float(written)
    except ValueError:
        number = math.nan
    if not 0.0 < number < math.inf:
        raise ValueError(f"'{written}' is no number above 0")
    return number
