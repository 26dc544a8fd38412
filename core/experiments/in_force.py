"""An experiment as it splits requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from penstock.core.resources import Experiment


class InForce(NamedTuple):
    """A version of an experiment, and the weights of its candidates that requests are split by."""

    manifest: Experiment
    version: int
    weights: Sequence[float]
