"""When a client of the library is seen to have lost all of its brokers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Producer

from penstock.transports.kafka.ties import Ties


def told(*sources: str) -> str:
    brokers = ", ".join(
        f'"b{number}": {{ "name":"b{number}", "source":"{source}"}} '
        for number, source in enumerate(sources)
    )
    return f'{{ "name": "c", "brokers":{{ {brokers}}}, "topics":{{ }} }}'


PAUSE: Final = {"reconnect.backoff.max.ms": "1000"}
OWN: Final[Mapping[str, Any]] = {"group.id": "g", "bootstrap.servers": "127.0.0.1:9"}
SOON_US: Final = 3_400_000
LATE_US: Final = 3_600_000
"""Shorter and longer than such a pause and a half, and a moment."""


def standing(*states: tuple[str, str, int], kind: str = "consumer", waiting: int = 0) -> str:
    brokers = ", ".join(
        f'"b{number}": {{ "name":"b{number}", "source":"{source}", "state":"{state}", '
        f'"stateage":{age_us}, "tx":1 }} '
        for number, (source, state, age_us) in enumerate(states)
    )
    return f'{{ "type": "{kind}", "msg_cnt":{waiting}, "brokers":{{ {brokers}}}, "topics":{{ }} }}'


AT_REST: Final = ("learned", "INIT", LATE_US)

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
    ties = Ties(PAUSE)
    for text in said:
        ties.told(text)
    assert ties.are_cut is cut


@pytest.mark.parametrize(
    ("said", "cut"),
    [
        (standing(AT_REST), True),
        (standing(AT_REST, ("logical", "UP", LATE_US)), True),
        (standing(("configured", "INIT", LATE_US)), True),
        (standing(("learned", "INIT", SOON_US)), False),
        (standing(AT_REST, ("configured", "INIT", SOON_US)), False),
        (standing(AT_REST, ("learned", "UP", 0)), False),
        (standing(AT_REST, ("configured", "APIVERSION_QUERY", LATE_US)), False),
        (standing(AT_REST, kind="producer", waiting=1), True),
        (standing(AT_REST, kind="producer"), False),
    ],
)
def test_they_are_cut_where_all_that_is_known_is_left_alone(said: str, cut: bool) -> None:
    ties = Ties(PAUSE)
    for _ in range(2):
        ties.told(said)
    assert ties.are_cut is cut


def said_by_the_library(
    config: Mapping[str, Any], kind: type[Producer | Consumer] = Producer
) -> str:
    texts: list[str] = []
    told = {"statistics.interval.ms": 10, "stats_cb": texts.append, "log_level": 0}
    client = kind({**config, **Ties(PAUSE).options, **told})
    while not texts:
        client.poll(0.1)
    return texts[0]


def test_the_library_writes_of_brokers_as_it_is_looked_for() -> None:
    ties = Ties(PAUSE)
    for _ in range(2):
        ties.told(said_by_the_library({"bootstrap.servers": "127.0.0.1:9"}))
    assert not ties.are_cut
    for _ in range(2):
        ties.told(said_by_the_library({}))
    assert ties.are_cut


@pytest.mark.parametrize(("kind", "cut"), [(Producer, False), (Consumer, True)])
def test_the_library_writes_of_states_as_they_are_looked_for(
    kind: type[Producer | Consumer], cut: bool
) -> None:
    said = said_by_the_library(OWN, kind)
    rested = re.sub(r'("state":)"\w+", ("stateage":)-?\d+', rf'\1"INIT", \g<2>{LATE_US}', said)
    ties = Ties(PAUSE)
    for _ in range(2):
        ties.told(rested)
    assert ties.are_cut is cut, "a producer that has nothing to write needs no broker"
