"""Requests that a plain client writes to the input topic of a pipeline, all at once, and their
answers in its output topic."""

from __future__ import annotations

import time

import numpy as np
from benchmarks.kafka_floor import arrived
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from penstock.core.tensors import Tensor
from penstock.proto import open_inference_pb2 as v2

PATIENCE_S = 120.0


class UnansweredError(Exception):
    """Some requests had no answer in time, or one that says that they failed."""


class Backlog:
    """Requests to one pipeline, whose topics are there, spread evenly over its partitions."""

    def __init__(self, servers: str, pipeline: str, partitions: int) -> None:
        self.pipeline = pipeline
        self._written = 0
        self._read = 0
        self._answered: set[object] = set()
        self._root = f"penstock.default.pipeline.{pipeline}"
        self._partitions = partitions
        self._reader = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "answers",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        outputs = [TopicPartition(f"{self._root}.outputs", each) for each in range(partitions)]
        for place in outputs:
            _, place.offset = self._reader.get_watermark_offsets(place, PATIENCE_S)
        self._reader.assign(outputs)
        self._writer = Producer({"bootstrap.servers": servers, "linger.ms": 5})

    def answered_s(self, requests: int) -> float:
        """Write so many, and read until each has its answer, whichever else has two; how long that
        took, in seconds.

        Raises UnansweredError.
        """
        began = time.perf_counter()
        self._write(requests)
        self._written += requests
        while len(self._answered) < self._written:
            messages = arrived(self._reader)
            self._read += len(messages)
            self._answered.update(map(_identity, messages))
            if time.perf_counter() - began > PATIENCE_S:
                left = self._written - len(self._answered)
                raise UnansweredError(
                    f"{left} of {self._written} requests to '{self.pipeline}' have no answer"
                )
        return time.perf_counter() - began

    @property
    def twice(self) -> int:
        """Answers to requests that had one."""
        return self._read - len(self._answered)

    def _write(self, requests: int) -> None:
        body = _request()
        for number in range(requests):
            self._writer.produce(f"{self._root}.inputs", body, partition=number % self._partitions)
            if number % 1_000 == 0:
                self._writer.poll(0)
        self._writer.flush()

    def close(self) -> None:
        """Read and write no more."""
        self._reader.close()
        self._writer.close()


def _identity(message: Message) -> object:
    """Which request an answer is to."""
    headers = dict(message.headers() or [])
    if "penstock-marker" in headers:
        raise UnansweredError(f"a request failed: {headers}")
    return headers["penstock-request"]


def _request() -> bytes:
    request = v2.ModelInferRequest()
    tensor = request.inputs.add(name="x", datatype="FP32", shape=[1])
    assert tensor.name == "x"
    request.raw_input_contents.append(
        bytes(Tensor.from_numpy("x", np.array([3.0], np.float32)).raw)
    )
    return request.SerializeToString()
