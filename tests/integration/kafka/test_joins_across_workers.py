"""Joins whose sides come to different workers: they end as in one process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from chaos.city import PARTITIONS, ROLES, ROOT, City, city
from harness.kafka import need_kafka
from penstock.core.tensors import Tensor
from penstock.proto import open_inference_pb2 as v2
from penstock.transports.kafka.broker.cluster import LocalKafka

PATIENCE_S = 30.0
SLOW_S = 3.0
DELIVERIES = ("at-least-once", "exactly-once")
COMMANDS = {
    "scheduler": ROLES["scheduler"],
    "agent": ROLES["agent"],
    "models": ("run", "model-gateway"),
    "gateway-1": ROLES["gateway-1"],
    "dataflow-1": ROLES["dataflow-1"],
    "dataflow-2": ROLES["dataflow-2"],
}

MORE = f"""\
import asyncio


def add(x, y):
    return {{"sum": x + y}}


def quick(x):
    return {{"a": x + 1}}


async def slow(x):
    await asyncio.sleep({SLOW_S})
    return {{"b": x * 2}}


def both(a, b):
    return {{"z": a + b}}
"""

MODELS = "\n---\n".join(
    f'kind: Model\nmetadata: {{name: {name}}}\nspec: {{python: "more:{name}"}}'
    for name in ("add", "quick", "slow", "both")
)

REMEMBERS = """\
---
kind: Pipeline
metadata: {{name: remembers-{delivery}}}
spec:
  delivery: {delivery}
  dataflow: {{partitions: 4}}
  input: {{key: x-who}}
  steps:
  - name: add
    inputs: [remembers-{delivery}.inputs.x, remembers-{delivery}.inputs.y]
    inputsJoinType: latest
  output: {{steps: [add]}}
"""

SIDES = """\
---
kind: Pipeline
metadata: {name: sides}
spec:
  layout: spread
  record: all
  dataflow: {partitions: 4}
  steps:
  - {name: quick}
  - {name: slow}
  - {name: both, inputs: [quick, slow]}
  output: {steps: [both]}
"""

PAIRS = """\
---
kind: Pipeline
metadata: {name: lefts}
spec:
  dataflow: {partitions: 4}
  steps: [{name: quick}]
  output: {steps: [quick]}
---
kind: Pipeline
metadata: {name: rights}
spec:
  dataflow: {partitions: 4}
  steps: [{name: quick}]
  output: {steps: [quick]}
---
kind: Pipeline
metadata: {name: pairs}
spec:
  dataflow: {partitions: 4}
  input:
    externalInputs: [lefts.inputs.x, rights.inputs.x]
    tensorMap: {lefts.inputs.x: a, rights.inputs.x: b}
    match: key
  steps: [{name: both}]
  output: {steps: [both]}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    need_kafka()
    folder = tmp_path_factory.mktemp("joins")
    (folder / "more.py").write_text(MORE)
    with LocalKafka(folder / "kafka") as kafka, city(folder, kafka, COMMANDS) as made:
        remembers = "".join(REMEMBERS.format(delivery=each) for each in DELIVERIES)
        made.apply(f"{MODELS}\n{remembers}{SIDES}{PAIRS}")
        yield made


@pytest.fixture(autouse=True)
def _one_worker(world: City) -> None:
    """``dataflow-1`` runs, and ``dataflow-2`` does not. Nobody has died for that: what was there at
    two deaths goes on alone."""
    if "dataflow-1" not in world.running:
        world.start("dataflow-1")
    if "dataflow-2" in world.running:
        world.stop("dataflow-2")


def next_worker(world: City, *, killed: bool) -> None:
    """All that ``dataflow-1`` has goes to ``dataflow-2``, and the other way round."""
    here, there = "dataflow-1", "dataflow-2"
    if there in world.running:
        here, there = there, here
    if killed:
        world.kill(here)
        world.start(there)
    else:
        world.start(there)
        world.stop(here)


class Requests:
    """A plain client that writes requests to a pipeline, and reads the answers."""

    def __init__(self, world: City, pipeline: str) -> None:
        servers = {"bootstrap.servers": world.kafka.bootstrap_servers}
        self._topic = f"{ROOT}.pipeline.{pipeline}"
        self._producer = Producer(servers)
        self._consumer = Consumer(
            {**servers, "group.id": "reads", "isolation.level": "read_committed"}
        )
        self._consumer.assign(
            [TopicPartition(f"{self._topic}.outputs", n, OFFSET_BEGINNING) for n in range(4)]
        )
        self.answers: dict[str, list[str | float]] = {}

    def write(self, identity: str, partition: int, who: str = "", **values: float) -> None:
        request = v2.ModelInferRequest()
        for name, value in values.items():
            tensor = Tensor.from_numpy(name, np.array([value], np.float32))
            request.inputs.add(name=name, datatype="FP32", shape=[1])
            request.raw_input_contents.append(bytes(tensor.raw))
        self._producer.produce(
            f"{self._topic}.inputs",
            request.SerializeToString(),
            key=who or None,
            partition=partition,
            headers={"penstock-request": identity, "x-who": who},
        )
        assert self._producer.flush(PATIENCE_S) == 0

    def until(self, *identities: str) -> None:
        """All of these are answered."""
        until = time.monotonic() + PATIENCE_S
        while not self.answers.keys() >= set(identities):
            assert time.monotonic() < until, set(identities) - self.answers.keys()
            self._read()

    def until_there_are(self, count: int) -> None:
        """So many are answered."""
        until = time.monotonic() + PATIENCE_S
        while len(self.answers) < count:
            assert time.monotonic() < until, self.answers
            self._read()

    def _read(self) -> None:
        message = self._consumer.poll(0.1)
        if message is not None and message.error() is None:
            self._note(message)

    def _note(self, message: Message) -> None:
        headers: dict[str, Any] = dict(message.headers() or ())
        marker = headers.get("penstock-marker")
        answer = marker.decode() if marker else _value_of(message.value() or b"")
        self.answers.setdefault(headers["penstock-request"].decode(), []).append(answer)

    def close(self) -> None:
        self._consumer.close()


def _value_of(data: str | bytes) -> float:
    assert isinstance(data, bytes)
    [raw] = v2.ModelInferResponse.FromString(data).raw_output_contents
    return float(np.frombuffer(raw, np.float32)[0])


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_what_a_join_keeps_goes_with_its_partition(world: City, delivery: str) -> None:
    requests = Requests(world, f"remembers-{delivery}")
    people = [f"p{number}" for number in range(PARTITIONS)]
    wanted: dict[str, float] = {}
    kept = dict.fromkeys(people, 0.0)
    for turn, killed in enumerate((True, False, True)):
        for number, who in enumerate(people):
            kept[who] = 100.0 * (turn + 1) + number
            requests.write(f"keeps-{turn}-{who}", number, who, y=kept[who])
        requests.until(*[f"keeps-{turn}-{who}" for who in people])
        next_worker(world, killed=killed)
        for number, who in enumerate(people):
            requests.write(f"asks-{turn}-{who}", number, who, x=float(turn))
            wanted[f"asks-{turn}-{who}"] = kept[who] + turn
        requests.until(*wanted)
    requests.close()
    # A death may repeat what was not committed yet, and what is repeated sees newer values.
    assert {each: requests.answers[each][0] for each in wanted} == wanted
    assert {each for each in requests.answers if each.startswith("keeps")} == {
        f"keeps-{turn}-{who}" for turn in range(3) for who in people
    }
    if delivery == "exactly-once":
        assert all(len(answers) == 1 for answers in requests.answers.values())


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "left"])
def test_sides_that_come_to_different_workers_meet(world: City, killed: bool) -> None:
    requests = Requests(world, "sides")
    ids = [f"{'killed' if killed else 'left'}-{number}" for number in range(2 * PARTITIONS)]
    for number, each in enumerate(ids):
        requests.write(each, number % PARTITIONS, x=float(number))
    # One side of each is there, the other is under way.
    time.sleep(SLOW_S / 2)
    next_worker(world, killed=killed)
    requests.until(*ids)
    time.sleep(SLOW_S)
    requests.write("last", 0, x=0.0)
    requests.until("last")
    requests.close()
    for number, each in enumerate(ids):
        assert set(requests.answers[each]) == {3.0 * number + 1.0}
        assert killed or len(requests.answers[each]) == 1


def test_the_nth_goes_with_the_nth_whoever_dies_though_no_delivery_is_written(world: City) -> None:
    lefts, rights, pairs = (Requests(world, name) for name in ("lefts", "rights", "pairs"))
    rounds, people = 12, range(PARTITIONS)
    for nth in range(rounds):
        if nth in (3, 6):
            next_worker(world, killed=True)
        for number in people:
            at = rounds * number + nth
            lefts.write(f"left-{at}", number, f"p{number}", x=1000.0 * at)
            # The second worker dies when many are there on one side alone.
            if nth >= rounds // 2:
                rights.write(f"right-{at}", number, f"p{number}", x=float(at - rounds // 2))
    for number in people:
        for at in range(rounds * number + rounds // 2, rounds * (number + 1)):
            rights.write(f"late-{at}", number, f"p{number}", x=float(at))
    pairs.until_there_are(rounds * PARTITIONS)
    for each in (lefts, rights, pairs):
        each.close()
    sums = [answer for answers in pairs.answers.values() for answer in answers]
    assert sorted(map(float, sums)) == [1001.0 * at for at in range(rounds * PARTITIONS)]
