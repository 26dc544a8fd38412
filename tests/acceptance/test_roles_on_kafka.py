"""The roles of a system on a real Kafka, each a process of its own, while workers come and go."""

from __future__ import annotations

import asyncio
import json
import secrets
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.program import Program, program
from integration.gateways.rig import PORTS, chain, client_of, get, load, times, until, write
from penstock.transports.kafka import KafkaOptions
from penstock.transports.kafka.broker.cluster import LocalKafka

pytest.importorskip("confluent_kafka", reason="penstock[kafka] is not installed")

PARTITIONS = 4


def streams_of(kafka: LocalKafka) -> KafkaOptions:
    """Streams that no other test has."""
    return KafkaOptions(
        bootstrap_servers=kafka.bootstrap_servers, namespace=f"test-{secrets.token_hex(4)}"
    )


def write_config(folder: Path, options: KafkaOptions, **more: Any) -> Path:
    """A configuration for these streams."""
    folder.mkdir(exist_ok=True)
    path = folder / "penstock.yaml"
    transport = {
        "kind": "kafka",
        "bootstrapServers": options.bootstrap_servers,
        "namespace": options.namespace,
    }
    dataflow = {"partitions": PARTITIONS}
    path.write_text(json.dumps({"transport": transport, "dataflow": dataflow, **more}))
    return path


async def answers_in(options: KafkaOptions, pipeline: str) -> Counter[str]:
    """How often each request is in the output stream of a pipeline."""
    from penstock.core.contracts.transport import THE_BEGINNING
    from penstock.transports.kafka.transport import KafkaTransport

    transport = KafkaTransport(options)
    await transport.start()
    found: Counter[str] = Counter()
    try:
        stream = f"{options.root}.pipeline.{pipeline}.outputs"
        for number, extent in enumerate(await transport.extents(stream)):
            tail = await transport.tail(stream, number, THE_BEGINNING)
            while tail.position < extent.end:
                # The last offsets may be those of transactions, and no records.
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        found.update(each.record.identity for each in await tail.take(1_000))
            await tail.close()
    finally:
        await transport.stop()
    return found


@contextmanager
def system(
    tmp_path: Path, options: KafkaOptions, delivery: str = "at-least-once"
) -> Iterator[tuple[Program, Program, Path]]:
    """A scheduler with models, a pipeline gateway, and the configuration of those that follow."""
    own = write_config(tmp_path / "scheduler", options)
    pipeline = chain("p", "a", "b").replace("output:", f"delivery: {delivery}, output:")
    manifests = write(tmp_path / "scheduler", times("a", 2), times("b", 3), pipeline)
    words = ("up", *PORTS, "-c", own, manifests)
    with ExitStack() as running:
        scheduler = running.enter_context(program(tmp_path / "scheduler", *words))
        scheduler.ready()
        follows = write_config(
            tmp_path / "others", options, gateway={"scheduler": scheduler.addresses["grpc"]}
        )
        gateway = running.enter_context(
            program(tmp_path / "gateway", "run", "pipeline-gateway", *PORTS, "-c", follows)
        )
        gateway.ready()
        yield scheduler, gateway, follows


async def test_workers_that_come_and_go_lose_and_double_no_answer(
    tmp_path: Path, kafka: LocalKafka
) -> None:
    options = streams_of(kafka)
    with system(tmp_path, options) as (scheduler, gateway, follows):
        async with client_of(gateway.grpc) as client:
            await until(client, "p", lambda said: said == 6.0)
            async with load(client, "p") as asking:
                for number in range(2):
                    folder = tmp_path / f"worker-{number}"
                    with program(folder, "run", "dataflow", "-c", follows) as worker:
                        worker.ready()
                        await asking.goes_on(300)
                        worker.stop()
                        assert "ERROR" not in worker.logged()
                    await asking.goes_on(100)
            assert asking.failures == []
            assert set(asking.values) == {6.0}
        found = await answers_in(options, "p")
        assert set(found.values()) == {1}
        assert len(found) > asking.answers
        gateway.stop()
        scheduler.stop()
        assert "ERROR" not in scheduler.logged() + gateway.logged()


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
async def test_a_worker_that_is_killed_loses_no_request(
    tmp_path: Path, kafka: LocalKafka, delivery: str
) -> None:
    options = streams_of(kafka)
    with system(tmp_path, options, delivery) as (_, gateway, follows):
        async with client_of(gateway.grpc) as client:
            await until(client, "p", lambda said: said == 6.0)
            async with load(client, "p") as asking:
                with program(tmp_path / "worker", "run", "dataflow", "-c", follows) as worker:
                    worker.ready()
                    await asking.goes_on(300)
                    worker.kill()
                    await asking.goes_on(200)
            assert asking.failures == []
        found = await answers_in(options, "p")
        assert len(found) > asking.answers
        if delivery == "exactly-once":
            assert set(found.values()) == {1}


async def test_any_gateway_finds_the_answer_of_a_request_that_nobody_waited_for(
    tmp_path: Path, kafka: LocalKafka
) -> None:
    with system(tmp_path, streams_of(kafka)) as (scheduler, gateway, _):
        tensor = {"name": "x", "datatype": "FP64", "shape": [1], "data": [1.0]}
        request = urllib.request.Request(
            f"{gateway.addresses['rest']}/v2/pipelines/p/requests",
            json.dumps({"inputs": [tensor]}).encode(),
            {"content-type": "application/json"},
        )

        def send() -> str:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return str(answer.headers["location"])

        location = await asyncio.to_thread(send)
        for at in (scheduler, gateway, scheduler):
            status, body = await get(f"{at.addresses['rest']}{location}?wait=15000")
            assert status == 200, body
            assert json.loads(body)["outputs"][0]["data"] == [6.0]
