"""What is certainly wrong with a pipeline whose cases have all been played."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from penstock.core.joinspec import JoinSpec
from penstock.core.manifests.findings import Finding
from penstock.core.outcomes.dials import listed
from penstock.core.outcomes.endings import Ending
from penstock.core.outcomes.hearing import sources_of
from penstock.core.plan.compiler import DEFAULT_EXTERNAL_WINDOW_MS
from penstock.core.problems import KeyPath
from penstock.core.references import parse_source
from penstock.core.resources import Pipeline


def findings_of_cases(
    pipeline: Pipeline,
    usual: Sequence[Ending],
    never_run: Mapping[str, str],
    takes_all: Collection[int],
) -> Iterator[Finding]:
    """Steps that can never run, an output that can never answer, loops without an end, and joins
    and windows that do nothing."""
    indexes = {step.name: index for index, step in enumerate(pipeline.spec.steps)}
    for name, reason in never_run.items():
        yield Finding(
            ("spec", "steps", indexes[name]),
            f"step '{name}' can never run: {reason}",
            "take it out, or give it sources that can be values together",
        )
    yield from _of_output(pipeline, usual)
    yield from _of_joins(pipeline, takes_all)
    yield from _of_windows(pipeline)


def findings_of_alone(pipeline: Pipeline) -> Iterator[Finding]:
    """Pipelines that are read together and that no one request comes to, where no window says how
    long that is to be waited for."""
    section = pipeline.spec.input
    if section is None or section.join_window_ms:
        return
    yield Finding(
        ("spec", "input", "externalInputs"),
        f"no request comes to all of {listed(sources_of(pipeline))}: the join of the input waits "
        f"{DEFAULT_EXTERNAL_WINDOW_MS:g} ms for what never comes, since no window is written",
        "have them read one pipeline, match by key, or write joinWindowMs",
    )


def _of_output(pipeline: Pipeline, usual: Sequence[Ending]) -> Iterator[Finding]:
    kinds = {ending.kind for ending in usual}
    if pipeline.spec.output is None or "answer" in kinds:
        return
    path: KeyPath = ("spec", "output")
    if kinds == {"round-again"}:
        yield Finding(
            ("spec", "allowCycles"),
            "the loop never ends: a value comes back to it in every round",
            "have a model of the loop leave out the tensor that goes back, or gate it by a trigger",
        )
    elif "round-again" not in kinds:
        why = usual[0].words
        yield Finding(
            path, f"the output can never answer: {why}", "name steps in it that can have outputs"
        )


def _of_joins(pipeline: Pipeline, takes_all: Collection[int]) -> Iterator[Finding]:
    for number, (join, path) in enumerate(_joins(pipeline)):
        if number in takes_all and join.name != "inner":
            yield Finding(
                path,
                f"the join '{join}' takes all of its sources each time, for none of them can be "
                "missing: inner does the same",
                "leave it out, or declare as optional what a model may leave out",
            )


def _joins(pipeline: Pipeline) -> Iterator[tuple[JoinSpec, KeyPath]]:
    for index, step in enumerate(pipeline.spec.steps):
        yield step.inputs_join_type, ("spec", "steps", index, "inputsJoinType")
    if pipeline.spec.output is not None:
        yield pipeline.spec.output.steps_join, ("spec", "output", "stepsJoin")


def _of_windows(pipeline: Pipeline) -> Iterator[Finding]:
    """Windows over one port: it ends all of its sources together."""
    output = pipeline.spec.output
    windows: list[tuple[KeyPath, int | Literal["auto"] | None, Sequence[str]]] = [
        (
            ("spec", "steps", index, "joinWindowMs"),
            step.join_window_ms,
            (*(step.inputs or (pipeline.name,)), *step.triggers),
        )
        for index, step in enumerate(pipeline.spec.steps)
    ]
    if output is not None:
        windows.append((("spec", "output", "joinWindowMs"), output.join_window_ms, output.steps))
    for path, window_ms, references in windows:
        ports = {parse_source(text, pipeline=pipeline.name).port for text in references}
        if window_ms and len(ports) == 1:
            yield Finding(
                path,
                "this window never ends a join: all of its sources are of one port, whose record "
                "ends them together",
                "leave it out",
            )
