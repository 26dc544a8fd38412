"""Random pipelines and ways that models behave, from one generator of numbers: no hypothesis here,
whose draws take longer than what they are for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import cast

from oracle.model import (
    Attempt,
    Batch,
    Graph,
    Join,
    Never,
    Output,
    Produces,
    Raises,
    Scenario,
    Step,
)

PIPELINE = "p"
STEPS = "abcdef"
REQUESTED = ("r", "s")
PRODUCED = ("u", "v")
KEPT = f"{PIPELINE}.inputs.s"
"""What steps that keep state read beside what drives them."""

_JOINS = ("inner", "inner", "outer", "any")
_OUTCOMES: tuple[Produces | Raises | Never, ...] = (
    *[Produces(("u", "v"))] * 8,
    Produces(("u",)),
    Produces(("v",)),
    Produces(()),
    *[Raises("overloaded", retriable=True)] * 2,
    Raises("step-failed", retriable=False),
)
_REQUESTS: tuple[tuple[str, ...], ...] = (*[("r", "s")] * 6, ("r",), ("s",), ())


@dataclass(frozen=True)
class _Source:
    """A port or one tensor of it, and the full references of the tensors that it may bring."""

    written: str
    tensors: tuple[tuple[str, str], ...]


def graph(random: Random, *, answers: bool = False, remembers: bool = False) -> Graph:
    """One to six steps, each of which reads only those before it, and an output if it ``answers``,
    most often otherwise. One that ``remembers`` has a step that keeps state."""
    batches = random.random() < 0.3
    ports = [_port(f"{PIPELINE}.inputs", PIPELINE, REQUESTED)]
    steps = []
    for name in STEPS[: random.choice((1, 2, 3, 3, 4, 4, 5, 6))]:
        sources = _sources(random, ports, 3)
        triggers = _sources(random, ports, 2) if random.random() < 0.15 else ()
        plain = [each.written for each in sources] == [PIPELINE]
        steps.append(
            Step(
                name,
                inputs=() if plain else tuple(each.written for each in sources),
                join=_join(random),
                triggers=tuple(each.written for each in triggers),
                triggers_join=_join(random) if triggers else "inner",
                window_ms=random.choice((None, None, None, 20, 90)),
                tensor_map=_renames(sources),
                retries=random.choice((0, 0, 1, 2)),
                backoff_ms=random.choice((50, 8)),
                timeout_ms=random.choice((None, None, 15, 150)),
                on_error=random.choice(("fail", "fail", "absent")),
                batch=_batch(random) if batches and random.random() < 0.5 else None,
            )
        )
        ports.append(_port(f"{name}.outputs", name, PRODUCED))
    if remembers:
        at = random.randrange(len(steps))
        steps[at] = _remembering(random, steps[at], ports[1 : at + 1])
    if not answers and random.random() < 0.1:
        return Graph(PIPELINE, tuple(steps))
    sources = _sources(random, ports[1:][::-1], 3)
    output = Output(tuple(each.written for each in sources), _join(random), None, {})
    return Graph(PIPELINE, tuple(steps), output)


def scenario(random: Random, deadline_ms: int, *, endless: bool) -> Scenario:
    """A request, and how every call on its way goes, whatever the graph; ``endless`` calls have no
    end of their own now and then."""
    behaviours = {
        step: tuple(_attempt(random, endless) for _ in range(random.choice((1, 1, 2, 3))))
        for step in STEPS
    }
    return Scenario(random.choice(_REQUESTS), deadline_ms, behaviours)


def _attempt(random: Random, endless: bool) -> Attempt:
    outcome = random.choice(_OUTCOMES)
    if endless and random.random() < 0.1:
        outcome = Never()
    # Primes, so that two chains of calls rarely end at one time.
    duration_ms = random.choice((1, 2, 3, 5, 7, 13, 29, 61, 127))
    return Attempt(duration_ms, outcome, random.choice((None, None, None, 0, 11)))


def _remembering(random: Random, step: Step, ports: list[_Source]) -> Step:
    """A step that goes on with the newest value of the request's ``s`` that there is."""
    own = f"{PIPELINE}.inputs.r"
    driver = random.choice([_Source(own, ((own, "r"),)), *ports])
    kept = _Source(KEPT, ((KEPT, "s"),))
    return replace(
        step,
        inputs=(driver.written, kept.written),
        join="latest",
        triggers=(),
        triggers_join="inner",
        window_ms=None,
        tensor_map=_renames((driver, kept)),
    )


def _batch(random: Random) -> Batch:
    return Batch(random.choice((2, 4, 4, 16)), random.choice((0, 1, 5, 40)))


def _port(full: str, short: str, names: tuple[str, ...]) -> _Source:
    return _Source(short, tuple((f"{full}.{name}", name) for name in names))


def _sources(random: Random, ports: list[_Source], most: int) -> tuple[_Source, ...]:
    chosen = random.sample(ports, min(len(ports), random.randint(1, most)))
    sources: list[_Source] = []
    for port in chosen:
        if random.random() < 0.3:
            full, name = random.choice(port.tensors)
            sources.append(_Source(full, ((full, name),)))
        else:
            sources.append(port)
    return tuple(sources)


def _renames(sources: tuple[_Source, ...]) -> dict[str, str]:
    """A tensor map that gives each tensor that comes second under its name another one."""
    renames: dict[str, str] = {}
    taken: set[str] = set()
    for source in sources:
        for full, name in source.tensors:
            new = name
            while new in taken:
                new += "x"
            taken.add(new)
            if new != name:
                renames[full] = new
    return renames


def _join(random: Random) -> Join:
    return cast(Join, random.choice(_JOINS))
