"""Load on pipelines on Kafka, and what became of every request."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import count, pairwise
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message, Producer

from chaos.city import PARTITIONS, ROOT
from penstock.core.tensors import Tensor
from penstock.proto import open_inference_pb2 as v2
from penstock.transports.kafka.assigned import AssignedConsumer
from penstock.transports.kafka.messages import says_nothing

CALL_S = 10.0
"""How long a caller gives its request."""

LATE_S = 3.0
"""How much later than that an answer may be."""

BODY = json.dumps(
    {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [3.0]}]}
).encode()


def request_of(value: float) -> bytes:
    """A request with one number, as it stands in an input topic."""
    request = v2.ModelInferRequest()
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[1])
    assert tensor.name == "x"
    raw = Tensor.from_numpy("x", np.array([value], np.float32)).raw
    request.raw_input_contents.append(bytes(raw))
    return request.SerializeToString()


class Writer:
    """A plain client that writes requests into the input topic of a pipeline, at a steady rate."""

    def __init__(self, servers: str, pipeline: str, rate: float) -> None:
        self._topic = f"{ROOT}.pipeline.{pipeline}.inputs"
        self._name = f"{pipeline}-{uuid4().hex[:8]}"
        self._pause_s = 1.0 / rate
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "linger.ms": 0,
                "enable.idempotence": True,
                "log_level": 0,
                "reconnect.backoff.max.ms": 200,
                "metadata.recovery.rebootstrap.trigger.ms": 1000,
            }
        )
        self._numbers = count()
        self._ends = threading.Event()
        self.accepted: dict[str, tuple[int, int, float]] = {}
        """Partition, offset and time of each request that Kafka has acknowledged."""
        self.refused: list[KafkaError] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, value: float, partition: int, identity: str | None = None) -> str:
        """One request; its identity."""
        identity = identity or f"{self._name}-{next(self._numbers)}"
        self._producer.produce(
            self._topic,
            request_of(value),
            partition=partition,
            headers={"penstock-request": identity},
            on_delivery=lambda error, message: self._told(identity, error, message),
        )
        return identity

    def stop(self) -> None:
        """Write no more; returns when all is acknowledged."""
        self._ends.set()
        self._thread.join()
        assert self._producer.flush(120) == 0, "Kafka does not take the rest"

    def _run(self) -> None:
        while not self._ends.wait(self._pause_s):
            number = len(self.accepted) + len(self._producer)
            self.write(3.0, number % PARTITIONS)
            self._producer.poll(0)

    def _told(self, identity: str, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.refused.append(error)
        else:
            self.accepted[identity] = (
                message.partition() or 0,
                message.offset() or 0,
                time.monotonic(),
            )


class Reader:
    """Reads what was committed to the output topic of a pipeline, whatever the broker does."""

    def __init__(self, servers: str, pipeline: str) -> None:
        topic = f"{ROOT}.pipeline.{pipeline}.outputs"
        self._consumer = AssignedConsumer(
            {
                "bootstrap.servers": servers,
                "group.id": "chaos",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
                "log_level": 0,
                "reconnect.backoff.max.ms": 200,
                "metadata.recovery.rebootstrap.trigger.ms": 1000,
            }
        )
        starts = {(topic, number): OFFSET_BEGINNING for number in range(PARTITIONS)}
        self._consumer.assign(starts, ask=True)
        self._next = [0] * PARTITIONS
        """Behind what was read of each partition: a reader that goes back counts nothing twice."""
        self.seen: Counter[str] = Counter()
        """How often each request is there."""
        self.failed: dict[str, str] = {}
        """Requests whose answer is a failure, with its reason."""
        self.times: list[list[float]] = [[] for _ in range(PARTITIONS)]
        """When answers came, by partition."""
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._ends.set()
        self._thread.join()
        self._consumer.close()

    def longest_gap_s(self, partition: int, since: float, until: float) -> float:
        """The longest silence of a partition that reached into a time."""
        times = [each for each in self.times[partition] if each <= until]
        before = [each for each in times if each <= since][-1:]
        points = [*(before or [since]), *[each for each in times if each > since], until]
        return max(later - max(earlier, since) for earlier, later in pairwise(points))

    def _run(self) -> None:
        while not self._ends.is_set():
            for message in self._consumer.poll(0.1):
                partition, offset = message.partition() or 0, message.offset() or 0
                if message.error() is None and offset >= self._next[partition]:
                    self._next[partition] = offset + 1
                    if not says_nothing(message):
                        self._note(message)

    def _note(self, message: Message) -> None:
        headers: dict[str, Any] = dict(message.headers() or ())
        identity = headers.get("penstock-request", b"?").decode()
        self.seen[identity] += 1
        self.times[message.partition() or 0].append(time.monotonic())
        if "penstock-code" in headers:
            reason = headers.get("penstock-reason", b"").decode()
            self.failed[identity] = f"{headers['penstock-code'].decode()}: {reason}"


class Caller:
    """Somebody who calls a pipeline over REST, one call after the other."""

    def __init__(self, urls: Sequence[str], pipeline: str, pause_s: float) -> None:
        self._urls = [urlsplit(url).netloc for url in urls]
        self._path = f"/v2/pipelines/{pipeline}/infer"
        self._pause_s = pause_s
        self.outcomes: Counter[str] = Counter()
        """How often each status with its code, and each way of a connection to break."""
        self.answered = 0
        """How many have had their answer."""
        self.wrong: list[str] = []
        """What no caller may see."""
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Call no more."""
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        for number in count():
            if self._ends.wait(self._pause_s):
                return
            self._call(self._urls[number % len(self._urls)])

    def _call(self, place: str) -> None:
        began = time.monotonic()
        connection = http.client.HTTPConnection(place, timeout=CALL_S + LATE_S)
        headers = {
            "Content-Type": "application/json",
            "x-penstock-timeout-ms": str(int(CALL_S * 1000)),
        }
        try:
            connection.request("POST", self._path, BODY, headers)
            response = connection.getresponse()
            self._note(response.status, response.read())
        except TimeoutError:
            self.wrong.append(f"no answer within {time.monotonic() - began:.1f} s")
        except (OSError, http.client.HTTPException) as error:
            self.outcomes[type(error).__name__] += 1
        finally:
            connection.close()

    def _note(self, status: int, body: bytes) -> None:
        document = json.loads(body)
        if status == 200:
            [data] = [each["data"] for each in document["outputs"]]
            self.answered += 1
            if data != [10.0]:
                self.wrong.append(f"answered {data}")
        elif "code" not in document:
            self.wrong.append(f"status {status} without a code: {body!r}")
        self.outcomes[
            f"{status} {document.get('code', '')} {document.get('error', '')[:160]}".strip()
        ] += 1
