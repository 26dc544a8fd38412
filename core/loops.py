"""The loops of a pipeline: which steps reach each other, where rounds begin, and who reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from penstock.core.references import Source, parse_source
from penstock.core.resources import Pipeline


class Loop(NamedTuple):
    """Steps that reach themselves or each other, in the manifest's order.

    ``turns`` are those that join their inputs by ``any``, at least one of them from inside;
    ``readers`` are the steps outside that read the loop, None among them for the output.
    """

    steps: tuple[str, ...]
    turns: frozenset[str]
    readers: tuple[str | None, ...]


def loops_of(pipeline: Pipeline) -> list[Loop]:
    """The loops of a pipeline whose references are all good, in the manifest's order."""
    name = pipeline.metadata.name
    steps = pipeline.spec.steps
    inputs = {step.name: steps_read(step.inputs, name) for step in steps}
    read = {step.name: inputs[step.name] | steps_read(step.triggers, name) for step in steps}
    readers_of: dict[str, set[str]] = {step.name: set() for step in steps}
    for reader, sources in read.items():
        for source in sources:
            readers_of[source].add(reader)
    output = pipeline.spec.output
    read_by_output = set() if output is None else steps_read(output.steps, name)
    loops = []
    for inside in strongly_connected(readers_of):
        turns = frozenset(
            step.name
            for step in steps
            if step.name in inside
            and step.inputs_join_type.name == "any"
            and inputs[step.name] & inside
        )
        readers: list[str | None] = [
            step.name for step in steps if step.name not in inside and read[step.name] & inside
        ]
        if read_by_output & inside:
            readers.append(None)
        ordered = tuple(step.name for step in steps if step.name in inside)
        loops.append(Loop(ordered, turns, tuple(readers)))
    return sorted(loops, key=lambda loop: list(read).index(loop.steps[0]))


def steps_read(references: Collection[str], pipeline: str) -> set[str]:
    """The steps that good references read."""
    sources: list[Source] = [parse_source(text, pipeline=pipeline) for text in references]
    return {source.step for source in sources if source.step is not None}


def strongly_connected(readers_of: Mapping[str, Collection[str]]) -> list[set[str]]:
    """The sets of names that reach each other, single ones only when they read themselves.

    Tarjan's algorithm (1972), with a stack of its own instead of recursion.
    """
    found: list[set[str]] = []
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_names: list[str] = []
    for start in readers_of:
        if start in number:
            continue
        number[start] = lowest[start] = len(number)
        open_names.append(start)
        way = [(start, iter(readers_of[start]))]
        while way:
            name, readers = way[-1]
            for reader in readers:
                if reader not in number:
                    number[reader] = lowest[reader] = len(number)
                    open_names.append(reader)
                    way.append((reader, iter(readers_of[reader])))
                    break
                if reader in open_names:
                    lowest[name] = min(lowest[name], number[reader])
            else:
                way.pop()
                if way:
                    before = way[-1][0]
                    lowest[before] = min(lowest[before], lowest[name])
                if lowest[name] == number[name]:
                    at = open_names.index(name)
                    together = set(open_names[at:])
                    del open_names[at:]
                    if len(together) > 1 or name in readers_of[name]:
                        found.append(together)
    return found
