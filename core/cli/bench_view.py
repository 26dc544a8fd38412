"""Figures of a load for people, while it runs and when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from penstock.core.bench.figures import Figures
    from penstock.core.bench.load import LoadPlan
    from penstock.core.bench.machine import Busy


def figures_view(
    about: Mapping[str, str],
    plan: LoadPlan,
    figures: Figures,
    *,
    elapsed_s: float | None = None,
    busy: Busy | None = None,
    limits: Sequence[str] = (),
) -> RenderableType:
    """A headline, the rate and the latencies, errors by code and step, and what limited it.

    ``elapsed_s`` is how long the load runs already; ``busy`` is known at the end.
    """
    lines: list[RenderableType] = [_headline(about, plan, elapsed_s), _numbers(figures, busy)]
    if figures.errors:
        lines.append(_errors(figures))
    lines += [Text(f"note: {sentence}", "yellow") for sentence in limits]
    return Group(*lines)


def _headline(about: Mapping[str, str], plan: LoadPlan, elapsed_s: float | None) -> Text:
    text = Text(about["target"], "bold")
    how = "" if plan.rate is None else f"{plan.rate:g} per second, "
    text.append(
        f"  {about['protocol']} at {about['server']}, {how}{plan.in_flight} in flight", "not bold"
    )
    if elapsed_s is not None:
        end_s = plan.warm_up_s + plan.duration_s
        of = "" if plan.requests is not None else f" of {end_s:g}"
        phase = "warming up, " if elapsed_s < plan.warm_up_s else ""
        text.append(f"  {phase}{elapsed_s:.0f}{of} s", "not bold cyan")
    return text


def _numbers(figures: Figures, busy: Busy | None) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    took = figures.latencies
    table.add_row("answers", f"{took.count} in {figures.elapsed_s:.2f} s")
    table.add_row("rate", f"{figures.rate:.1f} per second")
    if took.count:
        shares = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
        said = [f"{name} {took.quantile(share):.3g}" for name, share in shares]
        table.add_row("latency", f"{', '.join(said)}, max {took.largest_ms:.3g} ms")
    elapsed_s = figures.elapsed_s or 1.0
    table.add_row(
        "bytes",
        f"{_bytes(figures.sent / elapsed_s)}/s sent, {_bytes(figures.received / elapsed_s)}/s "
        "received",
    )
    if busy is not None:
        machine = "" if busy.machine is None else f", all cores of this machine {busy.machine:.0%}"
        table.add_row("busy", f"this client {busy.client:.0%} of a core{machine}")
    return table


def _errors(figures: Figures) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("errors", "code", "step", "the first of them"):
        table.add_column(heading, overflow="fold")
    for fault, count in figures.by_number():
        sentence = Text(figures.sentences[fault])
        table.add_row(Text(str(count), "red"), fault.code, fault.step or "", sentence)
    return table


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:.3g} GiB"
