"""Loops that tests write down, and models whose answers depend on the round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.core.engine import Call
from penstock.core.records import Tensors
from penstock.core.simulation import Outcome
from penstock.testing.scripts import Reaction, tensor


def by_round(names: Mapping[int, str], after_ms: float = 1.0) -> Reaction:
    """Puts out the tensors (separated by spaces) of the round; -1 stands for all others."""

    def outcome(call: Call) -> Tensors:
        wanted = names.get(call.round, names.get(-1, ""))
        return tuple(tensor(name, f"{call.step}{call.round}") for name in wanted.split())

    return Reaction(after_ms, outcome)


def looped(steps: list[dict[str, Any]], output: list[str], **more: Any) -> dict[str, Any]:
    """A pipeline that may go in circles."""
    return {"allowCycles": True, "steps": steps, "output": {"steps": output}, **more}


def visits(outcome: Outcome, step: str) -> list[int]:
    """The rounds in which a step was called."""
    return [made.round for made in outcome.calls if made.step == step]
