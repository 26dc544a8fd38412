"""Which passage a record belongs to, without anything around it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.pipeline_gateway.matching import Arrival, ByIdentity, ByKey, Matching, Place
from penstock.core.plan import ExternalPort
from penstock.core.records import Port

PORTS = tuple(ExternalPort(name, Port(None, "outputs")) for name in "abc")


class Taker:
    """Begins a passage for every record that belongs to none; passages are numbers."""

    def __init__(self, matching: Matching[int]) -> None:
        self.matching = matching
        self.places: list[Place[int]] = []

    def take(self, identity: str, key: str, port: int) -> int:
        """The number of the passage; -1 for one that has ended."""
        arrival = Arrival(identity, key.encode(), PORTS[port])
        place = self.matching.find(arrival)
        if place is None:
            place = self.matching.begin(arrival, len(self.places), PORTS)
            self.places.append(place)
        return -1 if place.passage is None else place.passage

    def end(self, number: int) -> None:
        self.matching.end(self.places[number])


def test_one_identity_is_one_passage_while_it_is_remembered() -> None:
    taker = Taker(ByIdentity(1))
    assert [taker.take("i", "k", 0), taker.take("j", "k", 0), taker.take("i", "k", 1)] == [0, 1, 0]
    taker.end(0)
    assert taker.take("i", "k", 2) == -1, "it is known, and has ended"
    taker.end(1)
    assert taker.take("i", "k", 2) == 2, "it is forgotten for the one that ended later"


def test_by_key_the_second_goes_with_the_second() -> None:
    taker = Taker(ByKey(10))
    assert [taker.take(i, "k", 0) for i in "ij"] == [0, 1]
    assert taker.take("other", "l", 0) == 2
    assert [taker.take(i, "k", 1) for i in "pqr"] == [0, 1, 3]
    assert taker.take("z", "k", 0) == 3, "whoever comes first begins"


def test_by_key_a_duplicate_changes_nothing() -> None:
    taker = Taker(ByKey(10))
    assert [taker.take("i", "k", 0), taker.take("i", "k", 0), taker.take("j", "k", 0)] == [0, 0, 1]


def test_by_key_one_that_has_ended_keeps_its_place_in_the_order() -> None:
    taker = Taker(ByKey(1))
    assert [taker.take(i, "k", 0) for i in "ij"] == [0, 1]
    taker.end(0)
    assert [taker.take(i, "k", 1) for i in "pq"] == [-1, 1]
    taker.end(1)
    assert taker.take("p", "k", 1) == 2, "that was forgotten, and so this is new"


@given(
    st.lists(st.tuples(st.sampled_from("klm"), st.integers(0, 2), st.integers(0, 9)), max_size=60)
)
def test_by_key_the_nth_of_each_port_are_one_passage(
    arrivals: Sequence[tuple[str, int, int]],
) -> None:
    taker = Taker(ByKey(1000))
    came: dict[tuple[str, int], int] = {}
    passages: dict[tuple[str, int], int] = {}
    for number, (key, port, ends) in enumerate(arrivals):
        taken = taker.take(f"r{number}", key, port)
        nth = came[key, port] = came.get((key, port), 0) + 1
        if passages.setdefault((key, nth), taken) != taken:
            assert taken == -1, "else it would belong to another"
        if not ends and taken >= 0:
            taker.end(taken)
            passages[key, nth] = -1


@pytest.mark.parametrize("matching", [ByIdentity(3), ByKey(3)])
def test_nothing_stays_of_what_is_forgotten(matching: Matching[int]) -> None:
    taker = Taker(matching)
    for number in range(20):
        taker.take(f"r{number}", f"k{number % 2}", 0)
        taker.end(number)
    kept = [getattr(matching, name) for name in ("_places", "_seen") if hasattr(matching, name)]
    assert [len(each) for each in kept] == [3]
    if isinstance(matching, ByKey):
        assert sum(map(len, matching._awaiting.values())) == 6
