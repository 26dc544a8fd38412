"""From a case that breaks a law to a small one, and what happens in it as a story."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeVar

from oracle.model import Attempt, Graph, Output, Produces, Scenario, Step
from simulation.case import DEADLINE_MS, Arrival, Case
from simulation.code import REAL, Code
from simulation.graphs import PIPELINE, REQUESTED, STEPS
from simulation.world import World

MOST_TRIES: Final = 3_000
"""A small case is worth this many runs."""

T = TypeVar("T")

_PLAIN: Final = Graph(PIPELINE, (Step("a"),), Output(("a",)))
_WELL: Final = Scenario(
    REQUESTED, DEADLINE_MS, dict.fromkeys(STEPS, (Attempt(5, Produces(("u",))),))
)


def broken_laws(case: Case, code: Code) -> list[str]:
    """What is wrong with a run; an error that is raised in it is as well."""
    try:
        return World(case, code).run()
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def shrunk(case: Case, code: Code = REAL) -> Case:
    """The smallest case that was found to break a law: no simpler one beside it does."""
    tries = 0
    simpler = _simpler(case)
    while tries < MOST_TRIES and (candidate := next(simpler, None)) is not None:
        tries += 1
        if broken_laws(candidate, code):
            case = candidate
            simpler = _simpler(case)
    return case


def story(case: Case, code: Code = REAL) -> str:
    """What happens in a case, in the order of time, and which laws it breaks."""
    world = World(case, code, tells=True)
    try:
        broken = world.run()
    except Exception as error:
        broken = [f"{type(error).__name__}: {error}"]
    return "\n".join(
        [
            f"seed {case.seed}: {len(case.arrivals)} requests, {case.workers} workers, "
            f"{case.partitions} partitions, {told_gateways(case)}"
            f"{'exactly' if case.exactly_once else 'at least'} once, "
            f"{case.in_flight} in flight{told_order(case)}",
            *(
                f"version {number}: {told_graph(each)}"
                for number, each in enumerate(case.graphs, 1)
            ),
            *(line for line in world.story if "LAW BROKEN" not in line),
            *(f"BROKEN: {sentence}" for sentence in broken),
        ]
    )


def told_gateways(case: Case) -> str:
    """How many call the models, where workers do not."""
    return f"{case.gateways} model gateways, " if case.gateways else ""


def told_order(case: Case) -> str:
    """What a pipeline says about keys and order, if anything."""
    key = ", key from a header" if case.keyed else ""
    return key if case.order is None else f"{key}, in the order of each {case.order}"


def told_graph(graph: Graph) -> str:
    """A pipeline in a line."""
    steps = [f"{step.name}({', '.join(step.inputs) or PIPELINE})" for step in graph.steps]
    answer = "nothing" if graph.output is None else ", ".join(graph.output.steps)
    return f"{', '.join(steps)}; puts out {answer}"


def _simpler(case: Case) -> Iterator[Case]:
    """Cases that are simpler in one respect, the boldest first."""
    for arrivals in _fewer(case.arrivals):
        yield replace(case, arrivals=arrivals)
    for faults in _fewer(case.faults):
        yield replace(case, faults=faults)
    if len(case.graphs) > 1:
        yield from (replace(case, graphs=(graph,)) for graph in case.graphs)
    if any(graph != _PLAIN for graph in case.graphs):
        yield replace(case, graphs=(_PLAIN,) * len(case.graphs))
    if any(kind != _WELL for kind in case.kinds):
        yield replace(case, kinds=(_WELL,) * len(case.kinds))
    if any(step.batch for graph in case.graphs for step in graph.steps):
        yield replace(case, graphs=tuple(_unbatched(graph) for graph in case.graphs))
    if any(rows > 1 for rows in case.rows):
        yield replace(case, rows=(1,) * len(case.rows))
    yield from _smaller_numbers(case)
    for at, arrival in enumerate(case.arrivals):
        for plainer in _plainer(arrival):
            yield replace(case, arrivals=(*case.arrivals[:at], plainer, *case.arrivals[at + 1 :]))


def _unbatched(graph: Graph) -> Graph:
    return replace(graph, steps=tuple(replace(step, batch=None) for step in graph.steps))


def _fewer(values: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    """Without half of them, a quarter, and so on down to one."""
    size = len(values)
    while size:
        for at in range(0, len(values), size):
            yield values[:at] + values[at + size :]
        size //= 2


def _smaller_numbers(case: Case) -> Iterator[Case]:
    if any(case.skews_ms):
        yield replace(case, skews_ms=(0,) * len(case.skews_ms))
    if case.order is not None:
        yield replace(case, order=None)
    if case.slow:
        yield replace(case, slow=0)
    if case.keeps_all:
        yield replace(case, keeps_all=False)
    fewest_workers = 1 + max((fault.worker for fault in case.faults), default=0)
    for workers in range(fewest_workers, case.workers):
        yield replace(case, workers=workers)
    fewest_partitions = 1 + max((arrival.partition for arrival in case.arrivals), default=0)
    if fewest_partitions < case.partitions:
        yield replace(case, partitions=fewest_partitions)


def _plainer(arrival: Arrival) -> Iterator[Arrival]:
    if arrival.partition:
        yield replace(arrival, partition=0)
    if arrival.again_ms:
        yield replace(arrival, again_ms=arrival.again_ms[1:])
    if arrival.damage:
        yield replace(arrival, damage="")
    if arrival.within_ms is not None:
        yield replace(arrival, within_ms=None)
    if arrival.at_ms:
        yield replace(arrival, at_ms=0)
