"""Explainers of models that sleep, and explainers that sleep themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.control_plane import model
from harness.explainers import Echo, explainer, explaining
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.inference import InferenceRequest
from penstock.core.tensors import Tensor
from unit.control.test_scaling import rules, sleepy

ROW = InferenceRequest(None, (Tensor.from_numpy("x", np.ones((1, 2))),))


def awake(name: str) -> dict[str, Any]:
    return model(name)


def why(**more: Any) -> dict[str, Any]:
    manifest = explainer("why")
    manifest["spec"].update(more)
    return manifest


@pytest.mark.parametrize(
    ("documents", "asleep"),
    [
        ((sleepy("m"), why()), {"m"}),
        ((awake("m"), why(minReplicas=0)), {"why"}),
        ((sleepy("m"), why(minReplicas=0)), {"m", "why"}),
    ],
    ids=["its model", "itself", "both"],
)
def test_to_explain_wakes_what_sleeps(
    tmp_path: Path, documents: tuple[dict[str, Any], ...], asleep: set[str]
) -> None:
    async def told(clock: VirtualClock) -> None:
        kinds = {"echo": Echo}
        async with explaining(tmp_path, kinds, clock=clock, scaling=rules()) as plane:
            await plane.apply(*documents)
            assert await plane.settle() == []
            await asyncio.sleep(40.0)
            for name in ("m", "why"):
                condition = plane.condition("Model", name, "Scaled")
                sleeps = condition is not None and condition[1] == "Asleep"
                assert sleeps == (name in asleep), (name, condition)
                assert plane.reason("Model", name) == "Serving"
            answer = await plane.call("why", ROW)
            assert answer.model_name == "why", answer
            loads = [spec.name for spec in plane.server.loads]
            assert sorted(loads) == sorted(["m", "why", *asleep])

    in_virtual_time(told)
