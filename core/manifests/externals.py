"""What pipelines read of others, and what DATAFLOW.md refuses of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from penstock.core.loops import loops_of
from penstock.core.nearest import did_you_mean
from penstock.core.problems import KeyPath
from penstock.core.references import Source, parse_external
from penstock.core.resources import Pipeline


class ExternalSource(NamedTuple):
    """A reference to a port of another pipeline, and where it is written."""

    source: Source
    path: KeyPath


class Refusal(NamedTuple):
    """Why a port cannot be read, and what to do about it."""

    message: str
    hint: str


def external_sources(pipeline: Pipeline) -> Iterator[ExternalSource]:
    """Everything that ``pipeline`` reads of others, as far as it can be read."""
    section = pipeline.spec.input
    if section is None:
        return
    for key, texts in (
        ("externalInputs", section.external_inputs),
        ("externalTriggers", section.external_triggers),
    ):
        for index, text in enumerate(texts):
            try:
                source = parse_external(text)
            except ValueError:  # refused already, by the rules of the pipeline
                continue
            yield ExternalSource(source, ("spec", "input", key, index))


def refusal_of(
    source: Source,
    reader: Pipeline,
    other: Pipeline,
    *,
    record: Literal["boundary", "all", "none"] = "boundary",
) -> Refusal | None:
    """Why ``reader`` cannot read this port of ``other``; None when it can.

    ``record`` holds where ``other`` does not say what it keeps. That a step is not there is no
    refusal: it may come.
    """
    name = other.name
    if (other.spec.record or record) == "none":
        return Refusal(
            f"pipeline '{name}' keeps none of its records (record: none), and nobody can read them",
            f"give pipeline '{name}' record: boundary",
        )
    if source.step is None and source.side == "outputs" and other.spec.output is None:
        return Refusal(
            f"pipeline '{name}' has no output",
            "read one of its steps, or give it an output section",
        )
    if source.step is not None and other.spec.allow_cycles:
        for loop in loops_of(other):
            if source.step in loop.steps:
                return Refusal(
                    f"step '{source.step}' of pipeline '{name}' is inside a loop, which other "
                    "pipelines cannot read",
                    "read a step behind the loop, or the pipeline's output",
                )
    if _matches_by_key(reader) and not _keeps_order(source, other):
        if _is_shared(other):
            return Refusal(
                f"requests to pipeline '{name}' are taken through a share group, in no order, and "
                "input.match: key joins in order",
                f"leave dataflow.shareGroup out of pipeline '{name}', or input.match out of "
                f"'{reader.name}'",
            )
        return Refusal(
            f"'{source}' does not keep order, and input.match: key joins in order",
            f"read the input of pipeline '{name}', or its output once it has output.order",
        )
    return None


def missing_step(source: Source, other: Pipeline) -> str | None:
    """A sentence with the nearest name when ``other`` has no such step."""
    steps = [step.name for step in other.spec.steps]
    if source.step is None or source.step in steps:
        return None
    hint = did_you_mean(source.step, steps)
    said = f"there is no step '{source.step}' in pipeline '{other.name}'"
    return f"{said}; {hint}" if hint else said


def _matches_by_key(reader: Pipeline) -> bool:
    return reader.spec.input is not None and reader.spec.input.match == "key"


def _keeps_order(source: Source, other: Pipeline) -> bool:
    if source.step is not None:
        return False
    if _is_shared(other):
        return False
    return source.side == "inputs" or (
        other.spec.output is not None and other.spec.output.order is not None
    )


def _is_shared(pipeline: Pipeline) -> bool:
    return pipeline.spec.dataflow is not None and pipeline.spec.dataflow.share_group
