"""Layouts over a real Apache Kafka, against one process without any."""

from __future__ import annotations

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


@pytest.mark.parametrize("spread", [False, True], ids=["fused", "spread"])
async def test_examples_are_the_same(kafka: LocalKafka, spread: bool) -> None:
    layout = Streamed(opened_on(kafka), spread=spread, settle_s=0.3)
    async with example_models() as models:
        for name in SOME:
            workload = example_workload(*REQUESTS[name], models)
            assert await disagreements(layout, workload, SystemClock()) == [], name
