"""What a replay came to, drawn over time."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.render.chart import Line, Panel, chart
from penstock.core.scaling.replay import Course


def plotted(title: str, courses: Sequence[Course]) -> str:
    """An SVG picture with three panels for each model: load, copies and latency."""
    times = [sample.time_s for sample in courses[0].samples]
    return chart(title, times, [panel for course in courses for panel in _panels(course)])


def _panels(course: Course) -> list[Panel]:
    samples = course.samples
    return [
        Panel(
            f"{course.model}: load",
            [
                Line("calls/s", [each.rate for each in samples]),
                Line("waiting", [each.waiting for each in samples]),
            ],
        ),
        Panel(
            f"{course.model}: copies",
            [
                Line("wanted", [float(each.verdict.replicas) for each in samples], steps=True),
                Line("loaded", [float(each.ready) for each in samples], steps=True),
            ],
        ),
        Panel(
            f"{course.model}: latency in ms",
            [Line("9 of 10", [each.latency_ms for each in samples])],
        ),
    ]
