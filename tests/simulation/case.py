"""All that one run is made of, as plain values: what is not in a case, its seed decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Literal, TypeAlias

from oracle.model import Graph, Scenario
from simulation.graphs import graph, scenario

Trouble: TypeAlias = Literal["crash", "hang", "leave", "away"]

Damage: TypeAlias = Literal["", "value", "deadline", "no key", "another key"]
Order: TypeAlias = Literal["key", "partition"]

DEADLINE_MS = 40_000
SPREAD = 0.25
"""How many cases have model gateways."""
AGAIN_MS = 700
"""After which an acknowledgement that was lost is asked for again."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record that a producer writes.

    Without an ``identity`` it has that of its place. Its ``key``, if it has one, is that of others
    in its partition as well. ``within_ms`` makes it bring a deadline, that
    much after it was written; ``again_ms`` are later times at which the producer writes it again.
    """

    at_ms: int
    identity: str
    partition: int
    kind: int
    key: int | None = None
    within_ms: int | None = None
    again_ms: tuple[int, ...] = ()
    damage: Damage = ""
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

    With ``gateways`` its layout is spread: they call the models, and ``faults`` number them behind
    the workers. ``keyed`` pipelines take the key from a header. ``rows`` has how many rows the
    tensors of each kind of request have.

    ``skews_ms`` say by how much the clock of each worker is wrong; a worker that is restarted gets
    the next one. ``slow`` is how often of a hundred times an acknowledgement is lost, so that it
    has to be asked for again.
    """

    seed: int
    graphs: tuple[Graph, ...]
    kinds: tuple[Scenario, ...]
    rows: tuple[int, ...]
    keyed: bool
    order: Order | None
    max_held: int
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
    gateways: int = 0


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
    poisoned = not calm and random.random() < 0.25
    session_ms = random.choice((40, 300, 3000))
    order: Order | None = random.choice(("key", "partition")) if random.random() < 0.3 else None
    keyed = random.random() < (0.6 if order == "key" else 0.25)
    remembers = keyed and random.random() < 0.6
    if remembers:
        requests_of = (("r", "s"), ("r",), ("r",), ("s",))
        kinds = tuple(replace(kind, request=random.choice(requests_of)) for kind in kinds)
    arrivals = sorted(
        (
            _arrival(random, i, partitions, span_ms, len(kinds), keyed=keyed)
            for i in range(requests)
        ),
        key=lambda each: each.at_ms,
    )
    if poisoned:
        kinds = (replace(kinds[0], request=kinds[0].request or ("r",)), *kinds[1:])
        for at in random.sample(range(requests), random.choice((1, 1, 2, 3))):
            arrival = arrivals[at]
            arrivals[at] = Arrival(
                arrival.at_ms, f"poison{at}", arrival.partition, 0, key=arrival.key, poison=True
            )
    case = Case(
        seed=seed,
        graphs=tuple(
            graph(random, answers=remembers or order is not None, remembers=remembers)
            for _ in range(versions)
        ),
        kinds=kinds,
        rows=tuple(random.choice((1, 1, 1, 2, 3)) for _ in kinds),
        keyed=keyed,
        order=order,
        max_held=random.choice((1, 2, 5, 100)),
        arrivals=tuple(arrivals),
        faults=() if calm else _faults(random, workers, span_ms, session_ms, poisoned=poisoned),
        change_ms=random.randint(0, span_ms + 100),
        workers=workers,
        partitions=partitions,
        exactly_once=random.random() < 0.5,
        keeps_all=random.random() < 0.5,
        in_flight=random.choice((1, 3, 10, 100)),
        dedup_requests=random.choice((2, 1000, 1000)),
        session_ms=session_ms,
        hand_over_ms=random.choice((0, 20, 200)),
        skews_ms=tuple(random.randint(-60_000, 60_000) for _ in range(12)),
        slow=random.choice((0, 0, 2, 20)),
    )
    return _spread(random, case, span_ms) if random.random() < SPREAD else case


def _spread(random: Random, case: Case, span_ms: int) -> Case:
    """The same with model gateways, to which something happens as well. Most often it is a pipeline
    in which no join asks which source ends first, so that it is known what must come of it."""
    gateways = random.choice((1, 2, 3))
    faults = [
        Fault(
            random.randint(0, span_ms + 150),
            random.choice(("crash", "crash", "hang", "leave")),
            case.workers + random.randrange(gateways),
            random.choice((5, 30, 100, 500, 4000)),
        )
        for _ in range(random.choice((0, 1, 2, 4)))
    ]
    timeless = random.random() < 0.8
    return replace(
        case,
        gateways=gateways,
        graphs=tuple(_for_gateways(each, timeless=timeless) for each in case.graphs),
        faults=tuple(sorted((*case.faults, *faults), key=lambda each: each.at_ms)),
    )


def _for_gateways(graph: Graph, *, timeless: bool) -> Graph:
    """A graph whose visits share no call, which is up to gateways."""
    steps = [replace(step, batch=None) for step in graph.steps]
    if not timeless:
        return replace(graph, steps=tuple(steps))
    steps = [
        replace(
            step,
            join="outer" if step.join == "any" else step.join,
            triggers_join="outer" if step.triggers_join == "any" else step.triggers_join,
            window_ms=None,
        )
        for step in steps
    ]
    output = graph.output
    if output is not None and output.join == "any":
        output = replace(output, join="outer")
    return replace(graph, steps=tuple(steps), output=output)


def _arrival(
    random: Random, number: int, partitions: int, span_ms: int, kinds: int, *, keyed: bool
) -> Arrival:
    at_ms = random.randint(0, span_ms)
    identity = f"q{number}" if random.random() < 0.8 else ""
    again: tuple[int, ...] = ()
    if identity and random.random() < 0.15:
        again = tuple(
            at_ms + random.choice((0, 1, 10, 100, 1000)) for _ in range(random.choice((1, 1, 2)))
        )
    chance = random.random()
    damage: Damage = "value" if chance < 0.02 else "deadline" if chance < 0.03 else ""
    if keyed and 0.03 < chance < 0.07:
        damage = "no key" if chance < 0.05 else "another key"
    return Arrival(
        at_ms,
        identity,
        random.randrange(partitions),
        random.randrange(kinds),
        key=random.randrange(3) if keyed or random.random() < 0.3 else None,
        within_ms=random.choice((-5, 20, 60, 200, 3000)) if random.random() < 0.1 else None,
        again_ms=again,
        damage=damage,
    )


def _faults(
    random: Random, workers: int, span_ms: int, session_ms: int, *, poisoned: bool
) -> tuple[Fault, ...]:
    """A few while records come; and among poisoned ones, which take one worker down after another,
    more than a few until the last has been given up."""
    troubles: tuple[Trouble, ...] = ("crash", "crash", "hang", "hang", "leave", "leave", "away")
    count = random.choice((0, 1, 1, 2, 2, 3, 4))
    until_ms = span_ms + 150
    if poisoned and random.random() < 0.7:
        troubles = ("hang", "leave", "leave", "leave", "away")
        count = random.choice((4, 8, 16))
        until_ms += 5 * min(session_ms, 300)
    faults = [
        Fault(
            random.randint(0, until_ms),
            random.choice(troubles),
            random.randrange(workers),
            random.choice((5, 30, 100, 500, 4000)),
        )
        for _ in range(count)
    ]
    if count > 4:
        # Who comes back gets partitions of others, who cannot be heard of while they give them up.
        faults += [
            Fault(
                fault.at_ms + fault.for_ms + random.randint(0, 250),
                "away",
                fault.worker,
                random.choice((100, 500)),
            )
            for fault in faults
            if fault.trouble == "leave" and random.random() < 0.7
        ]
    return tuple(sorted(faults, key=lambda each: each.at_ms))
