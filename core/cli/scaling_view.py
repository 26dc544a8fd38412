"""How decisions of the autoscaler are printed, and what a replay came to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from penstock.core.cli.output import Output
from penstock.core.scaling.wording import said

if TYPE_CHECKING:
    from penstock.core.scaling.replay import Course

MOST_CHANGES: Final = 20
"""Of the changes of each model so many are printed; JSON has all."""


def print_decisions(output: Output, scaling: Mapping[str, Any]) -> None:
    """A headline, and a row for each model."""
    how = "dry run, nothing is changed" if scaling["dry_run"] else "in force"
    click.echo(f"policy {scaling['policy']} ({how})")
    models = scaling["models"]
    if scaling["decided_ms"] is None:
        click.echo(f"nothing is decided before {scaling['every_ms'] / 1000.0:g} s after the start")
        return
    if not models:
        click.echo("no model is scaled; write maxReplicas, or minReplicas: 0, in its manifest")
        return
    if scaling.get("workers"):
        whose = f"all {scaling['workers']} workers together, at most one in each"
        click.echo(f"copies are those of {whose}")
    headings = ("model", "copies", "decided", "calls/s", "in flight", "lag", "why")
    output.table(headings, [_row(each) for each in models], unfolded=("model",))


def _row(decided: Mapping[str, Any]) -> tuple[str, ...]:
    load = decided["load"]
    return (
        decided["model"],
        f"{load['ready']} of {decided['replicas']}",
        str(decided["decided"]),
        said(load["requests_per_s"]),
        said(load["in_flight"] + load["waiting"]),
        "-" if load["lag"] is None else said(load["lag"]),
        decided["reason"],
    )


def print_courses(output: Output, courses: Sequence[Course]) -> None:
    """A row for each model, then when and why the number of its copies was changed."""
    headings = ("model", "copies", "copy-seconds", "changes", "turns", "latency", "refused")
    output.table(headings, [_course_row(course) for course in courses])
    for course in courses:
        click.echo(f"\n{course.model}")
        rows = [
            (
                f"{each.time_s:g} s",
                f"{each.verdict.load.replicas} -> {each.verdict.replicas}",
                each.verdict.reason,
            )
            for each in course.changes
        ]
        output.table(("time", "copies", "why"), rows[:MOST_CHANGES])
        if len(rows) > MOST_CHANGES:
            click.echo(f"and {len(rows) - MOST_CHANGES} more")


def _course_row(course: Course) -> tuple[str, ...]:
    summary = course.summary()
    latency = "-"
    if summary["latency_ms"] is not None:
        latency = f"{_time(summary['latency_ms'])}, at most {_time(summary['most_latency_ms'])}"
    return (
        course.model,
        f"{summary['least']} to {summary['most']}",
        f"{summary['copy_s']:.0f}",
        str(len(course.changes)),
        str(course.turns),
        latency,
        f"{summary['refused']:.0f}",
    )


def _time(ms: float) -> str:
    """A time in the unit that people would say it in."""
    return f"{ms:.3g} ms" if ms < 999.5 else f"{ms / 1000.0:.3g} s"
