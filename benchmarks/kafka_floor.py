"""The bare floor of Kafka: a record there and back through another process, with plain clients.

    python -m benchmarks.kafka_floor SERVERS

Comes as JSON: round trips per second and their median for 1, 16 and 64 in flight. A round trip is
produce, a second process consumes and produces, consume: 4 partitions, acks=1, 300 bytes. Whatever
answers a request through Kafka has these two hops on its way.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from confluent_kafka import OFFSET_END, Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

THERE, BACK = "floor-there", "floor-back"
PARTITIONS = 4
IN_FLIGHT = (1, 16, 64)
NBYTES = 300
MOST_BYTES = 16 * 1024 * 1024
"""The limit of the topics; a stock broker's is 1 MiB and 12 bytes."""


_HEAD = 20
"""Bytes with the number of a record."""


def consumer(servers: str, topic: str) -> Consumer:
    """Reads a topic from its end; what is written from now on is read."""
    made = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "floor",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": MOST_BYTES,
        }
    )
    made.assign([TopicPartition(topic, number, OFFSET_END) for number in range(PARTITIONS)])
    until = time.monotonic() + 2.0
    while time.monotonic() < until:
        made.poll(0.1)
    return made


def arrived(reader: Consumer) -> list[Message]:
    """The next messages: all that are there, and one at least unless a second passes."""
    first = reader.poll(1.0)
    if first is None:
        return []
    return [each for each in [first, *reader.consume(1_000, 0)] if each.error() is None]


def producer(servers: str) -> Producer:
    """Writes as soon as it can."""
    return Producer(
        {"bootstrap.servers": servers, "linger.ms": 0, "acks": 1, "message.max.bytes": MOST_BYTES}
    )


def echo(servers: str) -> None:
    """The second process."""
    reader, writer = consumer(servers, THERE), producer(servers)
    print("ready", flush=True)
    while True:
        for message in arrived(reader):
            writer.produce(BACK, message.value(), partition=message.partition() or 0)
        writer.poll(0)


def round_trips(
    reader: Consumer, writer: Producer, in_flight: int, seconds: float, nbytes: int = NBYTES
) -> tuple[float, float]:
    """Round trips per second, and the median in ms."""
    rest = bytes(nbytes - _HEAD)
    sent: dict[int, float] = {}
    took: list[float] = []
    number = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        while len(sent) < in_flight:
            number += 1
            sent[number] = time.perf_counter()
            value = b"%20d" % number + rest
            writer.produce(THERE, value, partition=number % PARTITIONS)
        writer.poll(0)
        numbers = [_number_of(message) for message in arrived(reader)]
        took += [time.perf_counter() - sent.pop(each) for each in numbers]
    rate = len(took) / (time.perf_counter() - began)
    while sent:
        for message in arrived(reader):
            sent.pop(_number_of(message))
    return rate, statistics.median(took) * 1e3


def _number_of(message: Message) -> int:
    return int((message.value() or b"0")[:_HEAD])


def measure(
    servers: str,
    seconds: float = 4.0,
    *,
    in_flight: Sequence[int] = IN_FLIGHT,
    nbytes: int = NBYTES,
) -> dict[int, tuple[float, float]]:
    """Rate and median by how many are in flight."""
    admin = AdminClient({"bootstrap.servers": servers})
    limit = {"max.message.bytes": str(MOST_BYTES)}
    topics = [NewTopic(each, PARTITIONS, 1, config=limit) for each in (THERE, BACK)]
    for made in admin.create_topics(topics).values():
        try:
            made.result(10)
        except KafkaException:
            continue  # it is there from the last time
    command = [sys.executable, "-m", "benchmarks.kafka_floor", servers, "echo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None, "it is piped"
            other.stdout.readline()
            reader, writer = consumer(servers, BACK), producer(servers)
            return {each: round_trips(reader, writer, each, seconds, nbytes) for each in in_flight}
        finally:
            other.kill()


if __name__ == "__main__":
    if sys.argv[2:] == ["echo"]:
        echo(sys.argv[1])
    else:
        print(json.dumps(measure(sys.argv[1])))
