"""Which number an agent gets among the replicas of its server."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

from penstock.core.errors import ConflictError


class Occupant(NamedTuple):
    """The process that has a number, where it is for people, and whether it is there: one that is
    away keeps its number only until another process wants it."""

    process: str
    place: str
    there: bool


def seat_for(
    server: str, number: int | None, process: str, occupants: Mapping[int, Occupant]
) -> int:
    """The number that a process gets which asks for ``number`` (None: any).

    Raises ConflictError, with what to do, when another process that is there has it.
    """
    if number is None:
        own = [each for each, occupant in occupants.items() if occupant.process == process]
        free = (each for each in count() if each not in occupants or not occupants[each].there)
        return own[0] if own else next(free)
    occupant = occupants.get(number)
    if occupant is not None and occupant.there and occupant.process != process:
        raise ConflictError(
            f"server '{server}' has a replica {number} already ({occupant.place}); give this "
            "agent another --number, or none, or another --name"
        )
    return number
