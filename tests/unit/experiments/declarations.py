"""Experiments for tests of what is concluded from them."""

from __future__ import annotations

from typing import Any

from penstock.core.experiments.tally import Tally
from penstock.core.resources import Experiment


def experiment(name: str = "trial", **spec: Any) -> Experiment:
    """Of the candidates ``old``, the baseline, and ``new``, unless others are named."""
    candidates = [{"name": "old", "weight": 90}, {"name": "new", "weight": 10}]
    return Experiment.model_validate(
        {"metadata": {"name": name}, "spec": {"candidates": candidates, **spec}}, by_alias=True
    )


def answers(
    requests: int, failures: int = 0, took_ms: float = 10.0, score: float | None = None
) -> Tally:
    """What came of an arm; scores alternate around theirs."""
    tally = Tally()
    for index in range(requests):
        tally.count(took_ms, failed=index < failures)
        if score is not None:
            tally.measure({"score": score + (0.1 if index % 2 else -0.1)})
    return tally
