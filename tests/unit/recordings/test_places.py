"""Where the record of a request may be."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

from penstock.core.contracts.transport import From
from penstock.core.plan import Plan
from penstock.core.recordings.places import Place, places_of
from penstock.core.request_key import RequestKey
from penstock.core.streams.names import StreamNames
from unit.engine.running import compiled

NAMES = StreamNames()
MADE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
MADE_MS = 1_469_922_850_259.0


def plan(name: str = "p", partitions: int = 8) -> Plan:
    made = compiled({"steps": [{"name": "a"}], "output": {"steps": ["a"]}})
    return replace(made, name=name, partitions=partitions)


def test_an_identity_says_pipeline_and_partition() -> None:
    begin = From(time_ms=MADE_MS - 2_000.0)
    (place,) = places_of(f"{MADE}.3.gone", [plan()], NAMES)
    assert place == Place("gone", 3, begin, MADE_MS + 60_000.0)


def test_one_without_is_where_its_key_leads_in_every_pipeline() -> None:
    places = places_of(MADE, [plan("p"), plan("q", 3)], NAMES)
    assert [(each.pipeline, each.partition) for each in places] == [
        ("p", crc32(MADE.encode()) % 8),
        ("q", crc32(MADE.encode()) % 3),
    ]


def test_with_a_key_of_its_own_it_may_be_anywhere() -> None:
    keyed = replace(plan(partitions=3), key=RequestKey("p", "x-customer", is_header=True))
    assert [each.partition for each in places_of(MADE, [keyed], NAMES)] == [0, 1, 2]


def test_places_are_named() -> None:
    there = Place("p", 3, From(offset=17), exact=True)
    for name in ("p/3/17", "penstock.default.pipeline.p.inputs/3/17"):
        assert places_of(name, [plan()], NAMES) == [there]


def test_others_say_nothing() -> None:
    for name in ("theirs", "q/3/17", "p/3", "p/3/x", "p/-1/2", f"{MADE}x", ""):
        assert places_of(name, [plan()], NAMES) == []
