"""Layouts over a real Apache Kafka, against one process without any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from contract.example_pipelines import REQUESTS, example_models, example_workload
from contract.layouts import disagreements
from contract.streamed_layouts import Streamed
from integration.kafka.opened import opened_on
from penstock.core.clock import SystemClock
from penstock.transports.kafka.broker.cluster import LocalKafka

READ = "tfsimple, called by itself"
"""Others read it, and each other."""
SOME = ("join with renames", "loop", "second attempt", "batching", READ)


FEW = SOME[:2]
"""For what is held to all of them without Kafka."""


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"spread": False}, SOME),
        ({"spread": False, "shared": True, "workers": 3}, SOME),
        ({"spread": True}, SOME),
        ({"spread": True, "exactly_once": True}, FEW),
    ],
    ids=["fused", "fused, share group", "spread", "spread, exactly once"],
)
async def test_examples_are_the_same(
    kafka: LocalKafka, options: dict[str, Any], names: Sequence[str]
) -> None:
    layout = Streamed(opened_on(kafka), settle_s=0.3, **options)
    async with example_models() as models:
        for name in names:
            workload = example_workload(*REQUESTS[name], models)
            assert await disagreements(layout, workload, SystemClock()) == [], name
