"""How counts come from who splits requests to the scheduler, so that each counts once.

A process that splits numbers what it tells, and keeps it until the scheduler has recorded it; a
scheduler that comes after one that died is told again what that one had not. Each knows up to which
number it has heard whom, and passes over the rest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from penstock.core.experiments.tally import ArmKey, Tallies, Tally

ARMS_PER_REPORT: Final = 200
"""A message with the tallies of so many stays far below what gRPC takes."""

MOST_UNKEPT: Final = 100
"""So many reports are kept until they are recorded; of one too many the oldest counts as such."""

MOST_REMEMBERED: Final = 2_000
"""So many processes are known by what was heard of them, those that were heard last."""

Position: TypeAlias = Mapping[str, int]
"""Up to which report each process was heard."""


class Report(NamedTuple):
    """What has come of arms since the report before. ``number`` is 0 of one that says nothing."""

    number: int
    tallies: tuple[tuple[ArmKey, Tally], ...]


NOTHING: Final = Report(0, ())


class Reporter:
    """The side of who counts in ``tallies``: what is told over one connection after the other."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies
        self._number = 0
        self._unkept: deque[Report] = deque()
        self._told = 0
        """How many of them have been told over this connection."""

    def connect_anew(self) -> None:
        """Whoever listens now may be somebody else."""
        self._told = 0

    def kept(self, number: int) -> None:
        """Everything up to this report is recorded."""
        while self._unkept and self._unkept[0].number <= number:
            self._unkept.popleft()
            self._told = max(self._told - 1, 0)

    @property
    def has_more(self) -> bool:
        """Whether there is anything to tell."""
        return self._told < len(self._unkept) or bool(self._tallies)

    def next(self) -> Report:
        """What is told next."""
        if self._told == len(self._unkept):
            tallies = self._tallies.take(ARMS_PER_REPORT)
            if not tallies:
                return NOTHING
            self._number += 1
            self._unkept.append(Report(self._number, tallies))
            if len(self._unkept) > MOST_UNKEPT:
                self.kept(self._unkept[0].number)
        self._told += 1
        return self._unkept[self._told - 1]


class HeardReports:
    """The side of the scheduler: adds to ``tallies`` what it has not heard yet."""

    def __init__(self) -> None:
        self.tallies = Tallies()
        self._heard: dict[str, int] = {}
        self._kept: Position = {}

    def go_on_from(self, position: Position) -> None:
        """Go on where another process has recorded that it was."""
        self._heard, self._kept = dict(position), dict(position)

    def hear(self, process: str, report: Report) -> None:
        """A process has told of arms."""
        if report.number > self._heard.get(process, 0):
            self.tallies.add(report.tallies)
            self._heard.pop(process, None)  # those that were heard last stand last
            self._heard[process] = report.number

    def position(self) -> Position:
        """Up to where ``tallies`` have been added to."""
        first = max(len(self._heard) - MOST_REMEMBERED, 0)
        self._heard = dict(islice(self._heard.items(), first, None))
        return dict(self._heard)

    def keep(self, position: Position) -> None:
        """What was heard up to there is recorded."""
        self._kept = position

    def kept(self, process: str) -> int:
        """Up to which report of a process everything is recorded."""
        return self._kept.get(process, 0)
