"""All that one run is made of, as plain values: what is not in a case, its seed decides."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from oracle.model import Graph, Scenario
from simulation.graphs import graph, scenario

Trouble: TypeAlias = Literal["crash", "hang", "leave", "away"]

DEADLINE_MS = 40_000


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record that a producer writes.

    Without an ``identity`` it has that of its place. ``within_ms`` makes it bring a deadline, that
    much after it was written; ``again_ms`` are later times at which the producer writes it again.
    """

    at_ms: int
    identity: str
    partition: int
    kind: int
    within_ms: int | None = None
    again_ms: tuple[int, ...] = ()
    damage: Literal["", "value", "deadline"] = ""
    poison: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls a worker, or (``away``) the broker, for so long."""

    at_ms: int
    trouble: Trouble
    worker: int
    for_ms: int


@dataclass(frozen=True, slots=True)
class Case:
    """One run. ``graphs`` are the versions of the pipeline, the second from ``change_ms`` on.

    ``rows`` has how many rows the tensors of each kind of request have.

    ``skews_ms`` say by how much the clock of each worker is wrong; a worker that is restarted gets
    the next one. ``slow`` is how often of a hundred times an acknowledgement is lost, so that it
    has to be asked for again.
    """

    seed: int
    graphs: tuple[Graph, ...]
    kinds: tuple[Scenario, ...]
    rows: tuple[int, ...]
    arrivals: tuple[Arrival, ...]
    faults: tuple[Fault, ...]
    change_ms: int
    workers: int
    partitions: int
    exactly_once: bool
    keeps_all: bool
    in_flight: int
    dedup_requests: int
    session_ms: int
    hand_over_ms: int
    skews_ms: tuple[int, ...]
    slow: int


def drawn(seed: int, requests: int) -> Case:
    """The case of a seed."""
    random = Random(seed)
    calm = random.random() < 0.2
    workers = random.choice((1, 2, 2, 3, 4))
    partitions = random.choice((1, 1, 2, 3, 5))
    span_ms = random.choice((0, 50, 400, 400, 2000))
    endless = random.random() < 0.2
    versions = 1 if random.random() < 0.5 else 2
    kinds = tuple(scenario(random, DEADLINE_MS, endless=endless) for _ in range(6))
    poisoned = not calm and random.random() < 0.15
    arrivals = sorted(
        (_arrival(random, i, partitions, span_ms, len(kinds)) for i in range(requests)),
        key=lambda each: each.at_ms,
    )
    if poisoned:
        at = random.randrange(requests)
        arrivals[at] = Arrival(arrivals[at].at_ms, "poison", arrivals[at].partition, 0, poison=True)
    return Case(
        seed=seed,
        graphs=tuple(graph(random) for _ in range(versions)),
        kinds=kinds,
        rows=tuple(random.choice((1, 1, 1, 2, 3)) for _ in kinds),
        arrivals=tuple(arrivals),
        faults=() if calm else _faults(random, workers, span_ms),
        change_ms=random.randint(0, span_ms + 100),
        workers=workers,
        partitions=partitions,
        exactly_once=random.random() < 0.5,
        keeps_all=random.random() < 0.5,
        in_flight=random.choice((1, 3, 10, 100)),
        dedup_requests=random.choice((2, 1000, 1000)),
        session_ms=random.choice((40, 300, 3000)),
        hand_over_ms=random.choice((0, 20, 200)),
        skews_ms=tuple(random.randint(-60_000, 60_000) for _ in range(12)),
        slow=random.choice((0, 0, 2, 20)),
    )


def _arrival(random: Random, number: int, partitions: int, span_ms: int, kinds: int) -> Arrival:
    at_ms = random.randint(0, span_ms)
    identity = f"q{number}" if random.random() < 0.8 else ""
    again: tuple[int, ...] = ()
    if identity and random.random() < 0.15:
        again = tuple(
            at_ms + random.choice((0, 1, 10, 100, 1000)) for _ in range(random.choice((1, 1, 2)))
        )
    chance = random.random()
    return Arrival(
        at_ms,
        identity,
        random.randrange(partitions),
        random.randrange(kinds),
        within_ms=random.choice((-5, 20, 60, 200, 3000)) if random.random() < 0.1 else None,
        again_ms=again,
        damage="value" if chance < 0.02 else "deadline" if chance < 0.03 else "",
    )


def _faults(random: Random, workers: int, span_ms: int) -> tuple[Fault, ...]:
    troubles: tuple[Trouble, ...] = ("crash", "crash", "hang", "hang", "leave", "leave", "away")
    faults = [
        Fault(
            random.randint(0, span_ms + 150),
            random.choice(troubles),
            random.randrange(workers),
            random.choice((5, 30, 100, 500, 4000)),
        )
        for _ in range(random.choice((0, 1, 1, 2, 2, 3, 4)))
    ]
    return tuple(sorted(faults, key=lambda each: each.at_ms))
