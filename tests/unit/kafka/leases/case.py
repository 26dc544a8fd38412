"""All that one run is made of, as plain values: what is not in a case, its seed decides."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["calm", "death", "wild", "many"]
What: TypeAlias = Literal[
    "start",
    "crash",
    "stop",
    "double",
    "cut",
    "leave",
    "away",
    "slow",
    "compete",
    "withdraw",
    "grow",
]

GROUP: Final = "g"
DURATIONS_MS: Final = (1.0, 30.0, 300.0, 1_000.0, 1_900.0, 2_500.0, 4_000.0, 60_000.0)
SETTLED_MS: Final = 5_000.0
"""The one death of a case of that kind comes after this."""


@dataclass(frozen=True, slots=True)
class Event:
    """What befalls a process, or (``away``) the broker, for so long; ``stream`` where it matters.

    A process that crashes or leaves comes back after ``for_ms`` under the same name. ``double``: it
    is stopped, and in the middle of that another is started under its name. ``cut``: it does not
    reach the broker, which others do.
    """

    at_ms: float
    what: What
    who: int
    for_ms: float = 0.0
    stream: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """One run. ``calm``: nobody dies, and no write is lost. ``death``: one does, and nothing else
    happens. ``wild``: anything. ``many``: streams of one partition each, and nothing happens.

    ``skews_ms`` say by how much the clock of each process is wrong, ``rates`` how fast it runs.
    ``deleted`` is how many records the log had before: they are gone. ``read_back`` is how many a
    process reads that comes, ``at_once`` how many it reads in one go. ``lost`` is how often of a
    hundred times a write never arrives.
    """

    seed: int
    kind: Kind
    processes: int
    partitions: tuple[int, ...]
    events: tuple[Event, ...]
    skews_ms: tuple[float, ...]
    rates: tuple[float, ...]
    deleted: int
    read_back: int
    hand_over_ms: float
    lost: int
    at_once: int

    @property
    def quiet_from_ms(self) -> float:
        """When the last event is over."""
        return max(event.at_ms + event.for_ms for event in self.events)


def drawn(seed: int) -> Case:
    """The case of a seed."""
    if seed % 100 == 99:
        return with_many_streams(seed)
    random = Random(seed)
    kind: Kind = random.choice(("calm", "death", "wild", "wild", "wild", "wild"))
    processes = random.choice((2, 2, 3, 3, 4)) if kind != "wild" else random.choice((1, 2, 3, 4))
    partitions = tuple(random.choice((1, 1, 2, 3, 5)) for _ in range(random.choice((1, 2, 3))))
    begins = [Event(_begin(random), "start", who) for who in range(processes)]
    return Case(
        seed=seed,
        kind=kind,
        processes=processes,
        partitions=partitions,
        events=tuple(
            sorted([*begins, *_events(random, kind, processes, len(partitions))], key=_time)
        ),
        skews_ms=tuple(random.uniform(-60_000, 60_000) for _ in range(processes)),
        rates=tuple(random.choice((1.0, 0.99, 1.01)) for _ in range(processes)),
        deleted=random.choice((0, 0, 1_000)),
        read_back=random.choice((0, 3, 20, 5_000, 5_000)),
        hand_over_ms=random.choice((0.0, 5.0, 50.0, 400.0)),
        lost=random.choice((0, 0, 5, 30)) if kind == "wild" else 0,
        at_once=random.choice((1, 3, 1_000)),
    )


def with_many_streams(seed: int, streams: int = 80) -> Case:
    """Four that share more streams than the others have partitions. The last comes later."""
    begins_ms = (0.0, 0.0, 0.0, SETTLED_MS)
    processes = len(begins_ms)
    return Case(
        seed=seed,
        kind="many",
        processes=processes,
        partitions=(1,) * streams,
        events=tuple(Event(at_ms, "start", who) for who, at_ms in enumerate(begins_ms)),
        skews_ms=(0.0,) * processes,
        rates=(1.0,) * processes,
        deleted=0,
        read_back=5_000,
        hand_over_ms=5.0,
        lost=0,
        at_once=1_000,
    )


def _time(event: Event) -> float:
    return event.at_ms


def _begin(random: Random) -> float:
    return random.choice((0.0, 0.0, random.uniform(0, 20), random.uniform(0, 2_500)))


def _events(random: Random, kind: Kind, processes: int, streams: int) -> list[Event]:
    if kind == "death":
        return [Event(SETTLED_MS + random.uniform(0, 1_000), "crash", 0, float("inf"))]
    calm: tuple[What, ...] = ("leave", "away", "slow", "compete", "withdraw", "grow")
    wild: tuple[What, ...] = (
        *calm,
        "crash",
        "crash",
        "stop",
        "stop",
        "double",
        "double",
        "cut",
        "cut",
        "slow",
    )
    count = random.choice((0, 1, 2, 3, 5, 8) if kind == "wild" else (0, 1, 2, 4))
    victims = range(processes) if random.random() < 0.6 else (random.randrange(processes),)
    return [
        Event(
            random.uniform(0, 4_500),
            random.choice(wild if kind == "wild" else calm),
            random.choice(victims),
            random.choice(DURATIONS_MS),
            random.randrange(streams),
        )
        for _ in range(count)
    ]
