"""When a client of the library is seen to have lost all of its brokers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import Producer

from penstock.transports.kafka.ties import Ties


def told(*sources: str) -> str:
    brokers = ", ".join(
        f'"b{number}": {{ "name":"b{number}", "source":"{source}"}} '
        for number, source in enumerate(sources)
    )
    return f'{{ "name": "c", "brokers":{{ {brokers}}}, "topics":{{ }} }}'


HAS = told("learned", "logical")
LOST = told("logical")
NONE = told()
UNKNOWN = '{ "name": "c", "nodes":{ "b0": { "origin":"learned"} } }'


@pytest.mark.parametrize(
    ("said", "cut"),
    [
        ([LOST], False),
        ([LOST, LOST], True),
        ([NONE, NONE], True),
        ([LOST, told("configured"), LOST], False),
        ([LOST, LOST, HAS], False),
        ([UNKNOWN, UNKNOWN], False),
    ],
)
def test_they_are_cut_when_it_is_said_twice_that_there_is_no_broker(
    said: list[str], cut: bool
) -> None:
    ties = Ties()
    for text in said:
        ties.told(text)
    assert ties.are_cut is cut


def said_by_the_library(config: Mapping[str, Any]) -> str:
    texts: list[str] = []
    told = {"statistics.interval.ms": 10, "stats_cb": texts.append, "log_level": 0}
    producer = Producer({**config, **Ties().options, **told})
    while not texts:
        producer.poll(0.1)
    return texts[0]


def test_the_library_writes_of_brokers_as_it_is_looked_for() -> None:
    ties = Ties()
    for _ in range(2):
        ties.told(said_by_the_library({"bootstrap.servers": "127.0.0.1:9"}))
    assert not ties.are_cut
    for _ in range(2):
        ties.told(said_by_the_library({}))
    assert ties.are_cut
