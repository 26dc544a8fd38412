"""What a record costs on its way into a Kafka message and out of it.

    python benchmarks/kafka_messages.py [--rounds 7]

One process, no Kafka; microseconds per record, the best round. ``memcpy`` is what one copy of the
tensor takes here. With confluent-kafka installed, a message of its own is read, headers and all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import cast

import numpy as np

from penstock.core.records import Absent, Body, Port, Record
from penstock.core.tensors import Tensor
from penstock.transports.kafka.messages import KafkaMessage, decode, encode
from penstock.transports.kafka.messages.message import MessageHeader

INPUTS = "penstock.default.pipeline.diamond.inputs"
OUTPUTS = "penstock.default.pipeline.diamond.outputs"
SECONDS = 0.2


def a_record(topic: str, body: Body) -> Record:
    """One of a gateway's, with the headers that travel."""
    headers = {"x-request-id": "7f3d9d2e", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    return Record(
        "01JD0000000000000000000000",
        b"01JD0000000000000000000000",
        "diamond",
        3,
        Port(None, "inputs" if topic == INPUTS else "outputs"),
        0,
        body,
        {},
        headers,
        1_795_869_415_021.5,
    )


def a_tensor(elements: int) -> tuple[Tensor, ...]:
    """FP32 [1, elements]."""
    return (Tensor.from_numpy("x", np.ones((1, elements), np.float32)),)


def best_us(work: Callable[[], object], rounds: int) -> float:
    """Microseconds of one call."""
    work()
    best = float("inf")
    for _ in range(rounds):
        count = 0
        began = time.perf_counter()
        while time.perf_counter() - began < SECONDS / rounds:
            for _ in range(20):
                work()
            count += 20
        best = min(best, (time.perf_counter() - began) / count)
    return best * 1e6


def show(name: str, topic: str, body: Body, rounds: int) -> None:
    """One line of figures."""
    record = a_record(topic, body)
    message = encode(topic, record)
    figures = {
        "encode": lambda: encode(topic, record),
        "size": lambda: message.nbytes,
        "decode": lambda: decode(topic, *message),
    }
    if find_spec("confluent_kafka") is not None:
        figures["of Kafka's"] = reading(topic, message)
    said = "  ".join(f"{each} {best_us(work, rounds):7.2f}" for each, work in figures.items())
    print(f"{name:<24} {said}")


def reading(topic: str, message: KafkaMessage) -> Callable[[], object]:
    """Decodes one of confluent-kafka's."""
    from confluent_kafka import Message

    given: list[tuple[str, str | bytes | None]] = [*message.headers]
    kafka = Message(topic=topic, key=message.key, value=message.value, headers=given)

    def read() -> Record:
        headers = cast("Sequence[MessageHeader] | None", kafka.headers())
        return decode(topic, kafka.key(), kafka.value(), headers)

    return read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for name, topic in (("input", INPUTS), ("output", OUTPUTS)):
        for text, elements in (("64 B", 16), ("16 KiB", 4_096), ("1 MiB", 262_144)):
            show(f"{name}, {text}", topic, a_tensor(elements), rounds)
    show("output, absent", OUTPUTS, Absent("why", "left-out"), rounds)
    content = bytearray(2**20)
    print(f"memcpy of 1 MiB {best_us(lambda: bytes(content), rounds):7.2f}")


if __name__ == "__main__":
    main()
