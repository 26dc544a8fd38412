"""The roles of a system on a real Kafka, each a process of its own, while workers come and go."""

from __future__ import annotations

import asyncio
import json
import secrets
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.kafka import CALM_LEASE_MS
from harness.program import Program, program
from integration.gateways.rig import PORTS, apply, chain, client_of, get, load, times, until, write
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
        "leaseMs": options.lease_ms,
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
    options = streams_of(kafka).model_copy(update={"lease_ms": CALM_LEASE_MS})
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


ROLES = ("scheduler", "agent", "dataflow", "model-gateway", "pipeline-gateway")
LAYOUTS = ("fused", "spread", "direct")

MIXES = (
    (ROLES,),
    tuple((role,) for role in ROLES),
    (("scheduler", "pipeline-gateway"), ("agent", "model-gateway", "dataflow")),
    (("scheduler", "agent"), ("agent", "pipeline-gateway"), ("dataflow",), ("model-gateway",)),
)


@contextmanager
def started(
    folder: Path, options: KafkaOptions, mix: Sequence[Sequence[str]]
) -> Iterator[list[Program]]:
    """A process for each of these sets of roles; the one with the scheduler comes first."""
    with ExitStack() as running:
        own = write_config(folder / "0", options)
        first = program(folder / "0", "run", *mix[0], *PORTS, "-c", own)
        programs = [running.enter_context(first)]
        at = {"scheduler": programs[0].grpc}
        for number, roles in enumerate(mix[1:], 1):
            follows = write_config(folder / str(number), options, gateway=at, agent=at)
            words: list[str | Path] = ["run", *roles, *PORTS, "-c", follows]
            programs.append(running.enter_context(program(folder / str(number), *words)))
        yield programs


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: ", ".join("+".join(each) for each in mix))
async def test_any_mix_of_roles_serves(
    tmp_path: Path, kafka: LocalKafka, mix: Sequence[Sequence[str]]
) -> None:
    write(tmp_path / "manifests")
    laid_out = [
        chain(layout, "a", "b").replace("spec: {", f"spec: {{layout: {layout}, ")
        for layout in LAYOUTS
    ]
    documents = (times("a", 2), times("b", 3), *laid_out)
    with started(tmp_path, streams_of(kafka), mix) as programs:
        await apply(programs[0].grpc, tmp_path / "manifests", *documents)
        for front, roles in zip(programs, mix, strict=True):
            if "pipeline-gateway" not in roles:
                continue
            async with client_of(front.grpc) as client:
                await until(client, "a", lambda said: said == 2.0)
                for layout in LAYOUTS:
                    await until(client, layout, lambda said: said == 6.0)
        for each in reversed(programs):
            each.stop()
            assert "ERROR" not in each.logged()
            assert "Traceback" not in each.logged()
