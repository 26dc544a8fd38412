"""Models that are scaled by their load: in one process, and behind a gateway elsewhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Producer

from harness.builtin import builtin_entry_points
from harness.envoy import need_envoy
from harness.program import Program, program
from integration.agents.rig import agent, until_said
from integration.gateways.rig import (
    PATIENCE_S,
    PORTS,
    apply,
    chain,
    client_of,
    get,
    load,
    times,
    until,
    value_of,
    write,
)
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.config import Config
from penstock.core.contracts.control import ManifestText
from penstock.core.contracts.transport import THE_BEGINNING
from penstock.core.errors import DeadlineError, PenstockError
from penstock.core.plugins.manager import assemble
from penstock.core.records import Record
from penstock.core.runtime import Runtime
from penstock.proto import open_inference_pb2 as v2
from penstock.servers.v2 import V2Client
from penstock.transports.kafka import KafkaOptions
from penstock.transports.kafka.broker.cluster import LocalKafka
from penstock.transports.kafka.transport import KafkaTransport

QUICK: dict[str, Any] = {
    "everyMs": 50,
    "idleMs": 400,
    "downWindowMs": 300,
    "coolDownMs": 0,
    "maxHeld": 20,
}

MODELS = """
import pathlib, time

class Slow:
    def predict(self, x):
        time.sleep(0.05)
        return {"y": x + 1}

class Fickle:
    def load(self, context):
        why = pathlib.Path(context.parameters["why"])
        if why.exists():
            import penstock
            raise penstock.Retriable(why.read_text())

    def predict(self, x):
        return {"y": x}
"""

MANIFESTS = """
kind: Server
metadata: {name: big}
spec: {serverConfig: inprocess, extraCapabilities: [big], replicas: 3}
---
kind: Model
metadata: {name: slow}
spec:
  python: models:Slow
  execution: thread
  requirements: [big]
  minReplicas: 0
  maxReplicas: 3
---
kind: Model
metadata: {name: fickle}
spec: {python: "models:Fickle", minReplicas: 0, parameters: {why: WHY}}
---
kind: Pipeline
metadata: {name: p}
spec: {steps: [{name: slow}], output: {steps: [slow]}}
---
kind: Experiment
metadata: {name: e}
spec: {candidates: [{name: slow, weight: 1}, {name: fickle, weight: 1}]}
"""


class Up:
    """One process with the models above, and a client of it."""

    def __init__(self, runtime: Runtime, client: V2Client) -> None:
        self.runtime = runtime
        self.client = client

    async def fails(self, target: str, timeout_s: float) -> PenstockError:
        """The error of a call that is in vain."""
        try:
            value = await value_of(self.client, target, timeout_s)
        except PenstockError as error:
            return error
        raise AssertionError(f"it answers {value}")

    def loaded(self, model: str) -> int:
        """How many copies are loaded."""
        copies: int = self.runtime.control.explain(model)["loaded"]
        return copies

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the change after which ``holds`` is true."""
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self.runtime.control.watch(None, 0):
                if holds():
                    return


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[Up]:
    (folder / "models.py").write_text(MODELS, encoding="utf-8")
    config = Config.model_validate(
        {
            "rest": {"port": 0},
            "grpc": {"port": 0},
            "scheduler": {"autoscaling": QUICK},
        }
    )
    runtime = Runtime(config, assemble(config, entry_points=builtin_entry_points()))
    text = MANIFESTS.replace("WHY", str(folder / "why"))
    addresses = await runtime.start([ManifestText(text, "test.yaml", str(folder))])
    try:
        assert await runtime.wait_ready(PATIENCE_S) == []
        async with client_of(addresses["grpc"].removeprefix("grpc://")) as client:
            yield Up(runtime, client)
    finally:
        await runtime.stop(grace_s=PATIENCE_S)


async def test_copies_come_with_load_and_go_after_it(tmp_path: Path) -> None:
    async with up(tmp_path) as process:
        async with load(process.client, "p") as asking:
            await process.until(lambda: process.loaded("slow") == 3)
        await process.until(lambda: process.loaded("slow") == 0)
        # Nobody was told that it is asleep, and nobody notices.
        assert await value_of(process.client, "p") == 2.0
        assert await value_of(process.client, "slow.model") == 2.0
        await process.until(lambda: process.loaded("slow") == 0)
        answers = await asyncio.gather(*(value_of(process.client, "p") for _ in range(20)))
    assert set(answers) == {2.0}
    assert asking.failures == []


async def test_calls_for_a_model_that_does_not_come_up_end_with_the_reason(tmp_path: Path) -> None:
    why = tmp_path / "why"
    async with up(tmp_path) as process:
        await process.until(lambda: process.loaded("fickle") == 0)
        why.write_text("its licence has run out")
        for _ in range(5):
            error = await process.fails("fickle.model", 2.0)
            # The reason comes 50 ms before the deadline of the caller, who else knows of none.
            if "gave no answer" not in error.message:
                break
        assert isinstance(error, DeadlineError)
        assert "model 'fickle' was asleep, and was not loaded in time" in error.message
        assert "its licence has run out" in error.message
        why.unlink()
        assert await value_of(process.client, "fickle.model") == 1.0


async def test_each_candidate_of_an_experiment_is_woken_by_its_share(tmp_path: Path) -> None:
    async with up(tmp_path) as process:
        await process.until(lambda: process.loaded("slow") == process.loaded("fickle") == 0)
        answers = await asyncio.gather(
            *(value_of(process.client, "e.experiment") for _ in range(20))
        )
    assert set(answers) == {1.0, 2.0}


SCHEDULER = """
scheduler:
  database: store.db
  agents: {beatMs: 100, silenceMs: 3000, graceMs: 1500, returnMs: 1000, keepMs: 3000}
  autoscaling: {everyMs: 100, idleMs: 1000, downWindowMs: 1000, coolDownMs: 0}
"""


class Servers:
    """A scheduler and two agents, of processes of their own, and what stands before them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.manifests = folder / "scheduler"
        self._folder = folder
        self._stack = stack
        write(self.manifests)
        (self.manifests / "penstock.yaml").write_text(SCHEDULER, encoding="utf-8")
        self.scheduler = stack.enter_context(program(self.manifests, "run", "scheduler", *PORTS))
        for number in ("0", "1"):
            stack.enter_context(agent(folder / number, self.scheduler, "--number", number))
        self.gateway = self.front("gateway")

    def front(self, *words: str) -> Program:
        """One more process that callers come to."""
        folder = self._folder / "-".join(words)
        followed = ("run", *words, "--scheduler", self.scheduler.grpc, *PORTS)
        started = self._stack.enter_context(program(folder, *followed))
        started.ready()
        return started

    async def through_gateway(self, model: str) -> int:
        """How many requests to a model the gateway has answered."""
        _, page = await get(f"{self.gateway.addresses['rest']}/metrics")
        counted = re.search(rf'requests_total{{model="{model}",code="ok"}} (\d+)', page)
        return int(counted[1]) if counted else 0

    async def until_copies(self, model: str, number: int) -> None:
        """Wait until it is decided on so many copies of a model, and they are there."""
        said = f"{number} cop"
        await until_said(
            self.scheduler.grpc,
            "Model",
            model,
            lambda now: now.get("Scaled", "").startswith(said) and "ReplicasReady" not in now,
        )


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)


@pytest.mark.parametrize("kind", ["gateway", "embedded", "envoy"])
async def test_models_on_agents_follow_calls_whoever_makes_them(
    servers: Servers, kind: str
) -> None:
    if kind == "envoy":
        need_envoy()
    front = servers.gateway if kind == "gateway" else servers.front("proxy", "--kind", kind)
    model, there = f"by-{kind}", servers.scheduler.grpc
    sleepy = times(model, 2, minReplicas=0, maxReplicas=2)
    await apply(there, servers.manifests, sleepy, chain(f"p-{kind}", model))
    async with client_of(front.addresses["rest"].removeprefix("http://"), "rest") as client:
        await until(client, model, lambda said: said == 2.0)
        async with load(client, model, at_a_time=1) as few:
            async with load(client, model) as many:
                await servers.until_copies(model, 2)
                await many.goes_on()
            await servers.until_copies(model, 1)
            await few.goes_on()
        await servers.until_copies(model, 0)
        assert await value_of(client, model) == 2.0
        await servers.until_copies(model, 0)
        assert await value_of(client, f"p-{kind}") == 2.0
    assert many.failures == few.failures == []
    if kind != "gateway":  # it makes calls directly where a copy is loaded
        assert await servers.through_gateway(model) < many.answers / 10


def split(name: str, *candidates: str, mirror: str) -> str:
    """The manifest of an experiment, in equal parts, of which all is copied."""
    arms = ", ".join(f"{{name: {each}, weight: 1}}" for each in candidates)
    return (
        f"kind: Experiment\nmetadata: {{name: {name}}}\nspec: {{default: {candidates[0]}, "
        f"candidates: [{arms}], mirror: {{name: {mirror}, percent: 100}}}}\n"
    )


@pytest.mark.parametrize("kind", ["gateway", "embedded", "envoy"])
async def test_candidates_and_mirrors_that_sleep_are_woken_by_their_share(
    servers: Servers, kind: str
) -> None:
    if kind == "envoy":
        need_envoy()
    front = servers.gateway if kind == "gateway" else servers.front("proxy", "--kind", kind)
    awake, nap, shadow = (f"{name}-{kind}" for name in ("awake", "nap", "shadow"))
    there, experiment = servers.scheduler.grpc, f"e-{kind}"
    await apply(
        there,
        servers.manifests,
        times(awake, 2),
        times(nap, 3, minReplicas=0),
        times(shadow, 5, minReplicas=0),
        split(experiment, awake, nap, mirror=shadow),
    )
    async with client_of(front.addresses["rest"].removeprefix("http://"), "rest") as client:
        await until(client, awake, lambda said: said in (2.0, 3.0))
        for _ in range(2):
            await servers.until_copies(nap, 0)
            await servers.until_copies(shadow, 0)
            async with load(client, awake, at_a_time=2) as asking:
                await servers.until_copies(nap, 1)
                await servers.until_copies(shadow, 1)
            assert set(asking.values) == {2.0, 3.0}, "each has a share"
            assert asking.failures == []
    async with asyncio.timeout(PATIENCE_S), ControlClient(RemoteServer.at(there)) as control:
        arms: list[dict[str, Any]] = []
        while (
            sum(each["requests"] for each in arms) < asking.answers
        ):  # gateways tell after a while
            await asyncio.sleep(0.1)
            arms = (await control.compare_arms(experiment, None, 0.95))["arms"]
    assert [each["failures"] for each in arms] == [0, 0]


LAG = """
scheduler:
  agents: {beatMs: 100, silenceMs: 3000, graceMs: 1500, returnMs: 1000, keepMs: 3000}
  autoscaling: {policy: lag, everyMs: 200, downWindowMs: 3000, coolDownMs: 0, idleMs: 3000}
"""

BACKLOG = 500
"""Records that wait for each of two pipelines."""


async def until_decided(place: str, model: str, holds: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until what is decided of a model, and by what figures, is as wanted."""
    async with asyncio.timeout(PATIENCE_S), ControlClient(RemoteServer.at(place)) as control:
        while True:
            models = (await control.scaling())["models"]
            if any(each["model"] == model and holds(each) for each in models):
                return
            await asyncio.sleep(0.05)


async def test_models_on_agents_are_scaled_by_what_waits_in_streams(
    tmp_path: Path, kafka: LocalKafka
) -> None:
    """What a plain client writes waits for a model that is asleep, and is seen before anybody works
    on it; with a worker the model wakes, grows, and sleeps again when all is done."""
    options = KafkaOptions(bootstrap_servers=kafka.bootstrap_servers, namespace="lag")
    streams = (
        f"transport: {{kind: kafka, bootstrapServers: '{options.bootstrap_servers}', "
        f"namespace: {options.namespace}}}\ndataflow: {{partitions: 2}}\n"
    )
    folder, follower = tmp_path / "scheduler", tmp_path / "worker"
    write(folder)
    follower.mkdir()
    for each in (folder, follower):
        (each / "penstock.yaml").write_text(streams + LAG, encoding="utf-8")
    with (
        program(folder, "run", "scheduler", *PORTS) as there,
        agent(tmp_path / "one", there, "--number", "0") as one,
        agent(tmp_path / "two", there, "--number", "1") as two,
    ):
        sleepy = times("a", 2, minReplicas=0, maxReplicas=2).replace(
            "concurrency: 4", "concurrency: 1"
        )
        spread = chain("q", "a").replace("steps:", "layout: spread, steps:", 1)
        await apply(there.grpc, folder, sleepy, chain("p", "a"), spread)
        await until_decided(there.grpc, "a", lambda said: said["why"] == "asleep")
        for pipeline in "pq":
            topic = f"{options.root}.pipeline.{pipeline}.inputs"
            await asyncio.to_thread(write_backlog, kafka, topic)
        await until_decided(there.grpc, "a", lambda said: said["load"]["lag"] == 2 * BACKLOG)
        roles = ("run", "dataflow", "model-gateway", "--scheduler", there.grpc)
        with program(follower, *roles):
            await until_decided(there.grpc, "a", lambda said: said["load"]["requests_per_s"] > 0)
            assert min(await until_called(2 * BACKLOG, one, two)) > 0
            await until_decided(there.grpc, "a", lambda said: said["load"]["replicas"] == 0)
    for pipeline in "pq":
        assert await answers_in(options, pipeline) == BACKLOG


async def until_called(times: int, *agents: Program) -> list[int]:
    """Wait until agents have counted so many calls together, whoever made them; how many each."""
    calls = [0] * len(agents)
    async with asyncio.timeout(PATIENCE_S):
        while sum(calls) < times:
            await asyncio.sleep(0.05)
            # What was counted goes with the model.
            calls = [
                max(before, await calls_of(each))
                for before, each in zip(calls, agents, strict=True)
            ]
    return calls


async def calls_of(agent: Program) -> int:
    """How many calls of a model an agent has had."""
    _, page = await get(f"{agent.addresses['rest']}/metrics")
    counts = [
        each for each in page.splitlines() if each.startswith("penstock_model_call_seconds_c")
    ]
    return sum(int(each.rpartition(" ")[2]) for each in counts)


async def answers_in(options: KafkaOptions, pipeline: str) -> int:
    """How many requests were answered in the output stream of a pipeline, each once."""
    async with asyncio.timeout(PATIENCE_S):
        transport = KafkaTransport(options)
        await transport.start()
        try:
            found = await records_of(transport, f"{options.root}.pipeline.{pipeline}.outputs")
        finally:
            await transport.stop()
    return len({each.identity for each in found if isinstance(each.body, tuple)})


async def records_of(transport: KafkaTransport, stream: str) -> list[Record]:
    """All that there is in a stream."""
    found: list[Record] = []
    for number, extent in enumerate(await transport.extents(stream)):
        tail = await transport.tail(stream, number, THE_BEGINNING)
        while tail.position < extent.end:
            found += [each.record for each in await tail.take(1_000)]
        await tail.close()
    return found


def write_backlog(kafka: LocalKafka, topic: str) -> None:
    """As any client of Kafka."""
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    value = v2.ModelInferRequest(raw_input_contents=[np.float64(2.0).tobytes()])
    value.inputs.add(name="x", datatype="FP64", shape=[1])
    for number in range(BACKLOG):
        producer.produce(topic, value.SerializeToString(), partition=number % 2)
    assert producer.flush(PATIENCE_S) == 0
