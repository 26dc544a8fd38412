"""What is concluded from experiments at the control plane: weights, status, reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.control_plane import Plane, control_plane, model
from penstock.core.contracts.forwarder import Forwarded
from penstock.core.errors import NotFoundError


def experiment(**spec: Any) -> dict[str, Any]:
    candidates = [{"name": "old", "weight": 90}, {"name": "new", "weight": 10}]
    return {
        "apiVersion": "penstock.io/v1",
        "kind": "Experiment",
        "metadata": {"name": "trial"},
        "spec": {"candidates": candidates, **spec},
    }


def weights(plane: Plane) -> list[float]:
    """Those that requests are split by."""
    in_force = plane.gateway.experiments.in_force("trial")
    assert in_force is not None
    return list(in_force.weights)


def fail(plane: Plane, requests: int = 200) -> None:
    """So many requests to the new arm fail."""
    for _ in range(requests):
        plane.reports.tallies.count(Forwarded("trial", 1, "new", True, 5.0))


async def test_a_rollout_begins_with_its_first_step_at_once(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        rollout = {"steps": [{"weight": 5, "minRequests": 100}, {"weight": 100}]}
        await plane.apply(model("old"), model("new"), experiment(rollout=rollout))
        assert weights(plane) == [95.0, 5.0]
        rolling = plane.condition("Experiment", "trial", "RollingOut")
        assert rolling == ("True", "RolloutStep", "step 1 of 2: 'new' has 5 %")


async def test_what_a_guard_decides_is_in_force_and_shows(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        guard = {"maxErrorRate": 0.1}
        await plane.apply(model("old"), model("new"), experiment(guard=guard))
        await plane.settle()
        fail(plane)
        await plane.control.keeper.look()
        assert weights(plane) == [100.0, 0.0]
        settled = plane.condition("Experiment", "trial", "Settled")
        assert settled is not None
        assert settled[:2] == ("True", "RolledBack")
        # Labels make no new version, and a new version begins anew.
        labelled = experiment(guard=guard)
        labelled["metadata"]["labels"] = {"a": "b"}
        await plane.apply(labelled)
        await plane.control.keeper.look()
        assert weights(plane) == [100.0, 0.0]
        assert plane.condition("Experiment", "trial", "Settled") == settled
        await plane.apply(experiment(guard={"maxErrorRate": 0.2}))
        assert weights(plane) == [90.0, 10.0]
        assert plane.condition("Experiment", "trial", "Settled") is None


async def test_arms_are_compared_and_an_operator_decides(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await plane.apply(model("old"), model("new"), experiment())
        fail(plane, 10)
        report = plane.control.compare_arms("trial", None, 0.95)
        assert [arm["requests"] for arm in report["arms"]] == [0, 10]
        document = await plane.control.settle("trial", "new")
        assert "Settled" in [each["type"] for each in document["status"]["conditions"]]
        assert weights(plane) == [0.0, 100.0]
        for missing in ("trail", "old"):
            with pytest.raises(NotFoundError, match="there is no experiment"):
                await plane.control.settle(missing, None)
        await plane.control.delete("Experiment", "trial", force=False)
        with pytest.raises(NotFoundError):
            plane.control.compare_arms("trial", None, 0.95)
