"""Every role and the broker are killed under load: a few of the hundred of ``python -m chaos``."""

from __future__ import annotations

import random
from pathlib import Path

from chaos.city import WITH_MODEL_GATEWAYS, city
from chaos.run import Run
from harness.kafka import KafkaStarter
from penstock.transports.kafka.broker.cluster import ClusterOptions

SEED = 5
RATE = 13.0


def test_no_kill_loses_or_doubles_a_request(tmp_path: Path, start_kafka: KafkaStarter) -> None:
    folder = tmp_path / "city"
    folder.mkdir()
    with city(folder, start_kafka(ClusterOptions()), WITH_MODEL_GATEWAYS) as world:
        run = Run(world, random.Random(SEED), RATE)
        try:
            for name in ("dataflow-1", "models-1", "gateway-1", "broker", "scheduler", "agent"):
                run.kill([name])
            for name in ("gateway-2", "dataflow-2"):
                run.kill_and_leave([name])
        finally:
            problems = run.end()
        assert not problems, [*problems, run.figures()]
        assert all(caller.answered > 0 for caller in run.callers)
