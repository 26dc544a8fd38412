"""Pipelines that tests write down, and one request through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.core.contracts.join import JoinStrategy
from penstock.core.engine import Call
from penstock.core.plan import Plan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.resources import Pipeline
from penstock.core.simulation import Outcome, Simulation
from penstock.testing.joins import Joins
from penstock.testing.scripts import Reaction, Scripts, scripted, tensor

CHAIN = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
DIAMOND = {
    "steps": [
        {"name": "a"},
        {"name": "b"},
        {
            "name": "c",
            "inputs": ["a.outputs.y", "b.outputs.y"],
            "tensorMap": {"a.outputs.y": "l", "b.outputs.y": "r"},
        },
    ],
    "output": {"steps": ["c"]},
}


def joined(kind: str, *, window_ms: int = 0, **more: Any) -> dict[str, Any]:
    """Two steps and a third that joins them."""
    third = {"name": "c", "inputs": ["a", "b"], "inputsJoinType": kind, "joinWindowMs": window_ms}
    third["tensorMap"] = {"a.outputs.y": "l", "b.outputs.y": "r"}
    return {
        "steps": [{"name": "a"}, {"name": "b"}, {**third, **more}],
        "output": {"steps": ["c"]},
    }


def compiled(spec: dict[str, Any], version: int = 1, /, **joins: type[JoinStrategy]) -> Plan:
    """The plan of a pipeline ``p`` that keeps every port."""
    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": spec})
    return compile_pipeline(pipeline, version, Joins(**joins), record="all")


def ran(
    spec: dict[str, Any],
    scripts: Scripts | None = None,
    *,
    request: tuple[str, ...] = ("x",),
    deadline_ms: float = 60_000.0,
    cancel_ms: float | None = None,
    jitter: tuple[float, ...] = (),
    react: Mapping[str, Callable[[Call], Reaction]] | None = None,
    **joins: type[JoinStrategy],
) -> Outcome:
    """One request through it, to its end; a step without a script puts out ``y`` after 1 ms.

    ``react`` is for steps whose every call goes its own way.
    """
    by_script = scripted(scripts or {})
    by_call = react or {}
    simulation = Simulation(lambda call: by_call.get(call.step, by_script)(call), jitter)
    outcome = simulation.begin(
        compiled(spec, **joins),
        tuple(tensor(name) for name in request),
        deadline_ms=deadline_ms,
        cancel_ms=cancel_ms,
    )
    simulation.run()
    assert len(outcome.closed_ms) == 1, "every passage closes exactly once"
    assert simulation.engine.open_passages == 0
    return outcome
