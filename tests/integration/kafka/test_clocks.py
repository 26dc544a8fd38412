"""Processes on Kafka whose clocks differ by two minutes: none is wrong, for time is Kafka's."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import Producer

from chaos.city import LEAST, ONCE, PARTITIONS, PIPELINES, ROLES, ROOT, City, city
from chaos.load import BODY, Caller, Reader, request_of
from harness.kafka import need_kafka
from harness.shifted_clock import shifted_clock
from integration.kafka.test_misfortunes import PATIENCE_S, Load
from penstock.transports.kafka.broker.cluster import LocalKafka

WRONG_BY_S = {"dataflow-1": 60.0, "dataflow-2": -60.0, "gateway-1": -60.0, "gateway-2": 60.0}
LEASE_S = 2.0

MORE = """\
import time


def slow(x):
    time.sleep(1.5)
    return {"late": x}


def whatever(y=None, late=None):
    return {"seen": [float(y is not None), float(late is not None)]}
"""

WINDOWED = """\
kind: Model
metadata: {name: slow}
spec: {python: "more:slow", execution: thread, concurrency: 8}
---
kind: Model
metadata: {name: whatever}
spec: {python: "more:whatever"}
---
kind: Pipeline
metadata: {name: windowed}
spec:
  dataflow: {partitions: 4}
  steps:
  - {name: one}
  - {name: slow}
  - {name: whatever, inputs: [one, slow], inputsJoinType: outer, joinWindowMs: 300}
  output: {steps: [whatever]}
---
kind: Pipeline
metadata: {name: patient}
spec:
  dataflow: {partitions: 4}
  steps: [{name: slow}]
  output: {steps: [slow]}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    need_kafka()
    folder = tmp_path_factory.mktemp("clocks")
    (folder / "more.py").write_text(MORE)
    environments = {
        name: shifted_clock(folder / f"clock-of-{name}", by_s) for name, by_s in WRONG_BY_S.items()
    }
    with (
        LocalKafka(folder / "kafka") as kafka,
        city(folder, kafka, ROLES, environments) as made,
    ):
        made.apply(WINDOWED)
        yield made


def call(world: City, gateway: str, path: str, timeout_ms: int | None = None) -> Any:
    """What a gateway answers: to a request where it has a timeout, or to a question."""
    headers = {"Content-Type": "application/json"}
    body = None
    if timeout_ms is not None:
        headers["x-penstock-timeout-ms"] = str(timeout_ms)
        body = BODY
    request = urllib.request.Request(f"{world.url(gateway)}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return json.load(refused)


@pytest.mark.parametrize("killed", ["dataflow-1", "dataflow-2"])
def test_a_worker_takes_over_from_one_with_another_clock(world: City, killed: str) -> None:
    load = Load(world)
    callers = [Caller([world.url(name) for name in world.gateways], LEAST, 0.02)]
    time.sleep(1.0)
    world.kill(killed)
    time.sleep(LEASE_S + 1.0)
    world.start(killed)
    time.sleep(LEASE_S)
    world.stop(killed)
    world.start(killed)
    load.end()
    for caller in callers:
        caller.stop()
        assert caller.outcomes.keys() == {"200"}
        assert caller.wrong == []
    assert load.doubled(ONCE) == []
    assert load.failed(ONCE) == load.failed(LEAST) == {}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_deadline_that_others_wrote_is_the_same_for_all(world: City, pipeline: str) -> None:
    reader = Reader(world.kafka.bootstrap_servers, pipeline)
    producer = Producer({"bootstrap.servers": world.kafka.bootstrap_servers})
    now_ms = time.time() * 1000.0
    wanted: dict[str, bool] = {}
    for number in range(PARTITIONS):
        for name, left_ms in (("over", -1.0), ("left", 20_000.0)):
            identity = f"{name}-{pipeline}-{number}"
            wanted[identity] = left_ms > 0.0
            producer.produce(
                f"{ROOT}.pipeline.{pipeline}.inputs",
                request_of(3.0),
                partition=number,
                headers={
                    "penstock-request": identity,
                    "penstock-deadline": str(int(now_ms + left_ms)),
                },
            )
    assert producer.flush(PATIENCE_S) == 0
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and not wanted.keys() <= reader.seen.keys():
        time.sleep(0.05)
    reader.stop()
    answered = {each: each not in reader.failed for each in wanted if reader.seen[each]}
    assert answered == wanted
    assert all(reader.failed[each].startswith("deadline") for each in wanted if not wanted[each])


@pytest.mark.parametrize("gateway", ["gateway-1", "gateway-2"])
def test_windows_and_deadlines_of_callers_are_as_long_as_they_are(
    world: City, gateway: str
) -> None:
    for _ in range(2 * PARTITIONS):
        answer = call(world, gateway, "/v2/pipelines/windowed/infer", 10_000)
        assert answer["outputs"][0]["data"] == [1.0, 0.0], answer
        began = time.monotonic()
        late = call(world, gateway, "/v2/pipelines/windowed/infer", 150)
        assert late["code"] == "deadline", late
        assert time.monotonic() - began < 5.0


def test_a_model_has_the_time_that_is_left_whatever_the_clock_of_who_calls_it(world: City) -> None:
    def ask(number: int) -> Any:
        gateway = world.gateways[number % len(world.gateways)]
        return call(world, gateway, "/v2/pipelines/patient/infer", 20_000)

    with ThreadPoolExecutor(2 * PARTITIONS) as asking:
        for answer in asking.map(ask, range(2 * PARTITIONS)):
            assert "outputs" in answer, answer


@pytest.mark.parametrize("gateway", ["gateway-1", "gateway-2"])
def test_requests_are_listed_by_the_time_of_the_broker(world: City, gateway: str) -> None:
    began_s = time.time()
    for name in world.gateways:
        assert "outputs" in call(world, name, f"/v2/pipelines/{LEAST}/infer", 10_000)
    for after_s, count in ((-0.5, len(world.gateways)), (30.0, 0)):
        since = datetime.fromtimestamp(began_s + after_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        listed = call(world, gateway, f"/v1/requests?pipeline={LEAST}&since={since}")
        assert len(listed["requests"]) == count, listed
