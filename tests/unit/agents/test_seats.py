"""Which number an agent gets."""

from __future__ import annotations

import pytest

from penstock.core.control.agents.seats import Occupant, seat_for
from penstock.core.errors import ConflictError

THERE = {0: Occupant("p", "host p", there=True), 2: Occupant("q", "host q", there=True)}
AWAY = {0: Occupant("p", "host p", there=False), 1: Occupant("q", "host q", there=True)}


@pytest.mark.parametrize(
    ("number", "process", "occupants", "expected"),
    [
        (None, "new", {}, 0),
        (None, "new", THERE, 1),
        (None, "q", THERE, 2),
        (None, "p", AWAY, 0),
        (None, "new", AWAY, 0),
        (7, "new", THERE, 7),
        (0, "p", THERE, 0),
        (0, "new", AWAY, 0),
    ],
)
def test_the_number(
    number: int | None, process: str, occupants: dict[int, Occupant], expected: int
) -> None:
    assert seat_for("s", number, process, occupants) == expected


def test_a_number_that_is_taken() -> None:
    with pytest.raises(ConflictError, match=r"server 's' has a replica 2 already \(host q\)"):
        seat_for("s", 2, "p", THERE)
