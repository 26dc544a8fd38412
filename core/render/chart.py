"""Lines over time, panel below panel, as an SVG picture, light or dark as its reader likes it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

WIDTH: Final = 760.0
PANEL: Final = 130.0
GAP: Final = 46.0
LEFT: Final = 70.0
RIGHT: Final = 24.0
TOP: Final = 56.0

_STYLE: Final = """\
:root { color-scheme: light dark; }
svg { --paper: #ffffff; --ink: #1f2933; --soft: #5f6b7a; --grid: #dfe4ea;
  --line-0: #0b7285; --line-1: #b35c00; --line-2: #2b5fb8; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #14181d; --ink: #e6eaee; --soft: #9aa7b4; --grid: #2a323b;
    --line-0: #4fc3d9; --line-1: #f0a04b; --line-2: #8ab4f8; }
}
.paper { fill: var(--paper); }
text { font: 12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  fill: var(--soft); }
.heading { font-size: 16px; font-weight: 600; fill: var(--ink); }
.panel { fill: var(--ink); }
.grid { stroke: var(--grid); }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
"""


class Line(NamedTuple):
    """One figure over time; None where there is none. ``steps``: it holds until the next."""

    name: str
    values: Sequence[float | None]
    steps: bool = False


class Panel(NamedTuple):
    """Lines with one scale, from 0 up; ``unit`` is what they count."""

    unit: str
    lines: Sequence[Line]


def chart(title: str, times_s: Sequence[float], panels: Sequence[Panel]) -> str:
    """The panels one below the other, with one axis of time. All lines have a value for each of
    ``times_s``, which grow."""
    height = TOP + len(panels) * (PANEL + GAP) + 16.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" '
        f'width="{WIDTH:g}" height="{height:g}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH:g}" height="{height:g}"/>',
        _text(LEFT, 28.0, title, "heading"),
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, times_s, TOP + number * (PANEL + GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, times_s: Sequence[float], top: float) -> Iterator[str]:
    most = _nice(max((v for line in panel.lines for v in line.values if v is not None), default=1))
    bottom, right = top + PANEL, WIDTH - RIGHT
    for part in (0.0, 0.5, 1.0):
        y = bottom - PANEL * part
        yield f'<line class="grid" x1="{LEFT:g}" x2="{right:g}" y1="{y:g}" y2="{y:g}"/>'
        yield _text(LEFT - 8.0, y + 4.0, f"{most * part:g}", anchor="end")
    yield _text(LEFT, top - 8.0, panel.unit, "panel")
    for number, line in enumerate(panel.lines):
        colour = f"var(--line-{number})"
        yield _text(right - 120.0 * number, top - 8.0, line.name, anchor="end", colour=colour)
        points = _path(line, times_s, most, bottom)
        yield f'<path class="line" style="stroke: {colour}" d="{points}"/>'
    first, last = (times_s[0], times_s[-1]) if times_s else (0.0, 0.0)
    yield _text(LEFT, bottom + 16.0, f"{first:g} s")
    yield _text(right, bottom + 16.0, f"{last:g} s", anchor="end")


def _path(line: Line, times_s: Sequence[float], most: float, bottom: float) -> str:
    parts: list[str] = []
    span_s = max(times_s[-1] - times_s[0], 1e-9) if times_s else 1.0
    under_way = False
    for at_s, value in zip(times_s, line.values, strict=True):
        if value is None:
            under_way = False
            continue
        x = LEFT + (WIDTH - LEFT - RIGHT) * (at_s - times_s[0]) / span_s
        y = bottom - PANEL * min(value / most, 1.0)
        if under_way and line.steps:
            parts.append(f"H{x:.1f}")
        parts.append(f"{'L' if under_way else 'M'}{x:.1f} {y:.1f}")
        under_way = True
    return "".join(parts)


def _nice(most: float) -> float:
    """The next round number above."""
    if most <= 0.0:
        return 1.0
    scale = 10.0 ** math.floor(math.log10(most))
    return next((step * scale for step in (1.0, 2.0, 4.0, 5.0) if step * scale >= most), 10 * scale)


def _text(
    x: float, y: float, said: str, kind: str = "", *, anchor: str = "start", colour: str = ""
) -> str:
    kind = f' class="{kind}"' if kind else ""
    colour = f' style="fill: {colour}"' if colour else ""
    return f'<text{kind}{colour} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(said)}</text>'
