"""How the arms of an experiment are printed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from penstock.core.cli.output import Output

if TYPE_CHECKING:
    from rich.text import Text

_STYLES: Final = {"better": "green", "worse": "red", "different": "yellow"}
_TIMES: Final = ("p50", "p95", "p99")


def print_arms(output: Output, report: Mapping[str, Any]) -> None:
    """A headline, a row for each figure of each arm, and a sentence on each arm."""
    began = datetime.fromtimestamp(report["since_ms"] / 1000.0, UTC)
    click.echo(
        f"experiment '{report['experiment']}', version {report['version']}, "
        f"since {began:%Y-%m-%d %H:%M:%S} UTC; {report['weights_because']}"
    )
    baseline = report["baseline"]
    output.table(
        ("arm", "figure", "value", "interval", f"more than {baseline}", "verdict"),
        [_row(arm, measure) for arm in report["arms"] for measure in arm["measures"]],
        unfolded=("arm", "figure", "value"),
    )
    for arm in report["arms"]:
        click.echo(_sentence(arm))
    click.echo(f"intervals hold the true figure {report['confidence']:.4g} of the time")


def _row(arm: Mapping[str, Any], measure: Mapping[str, Any]) -> tuple[str | Text, ...]:
    from rich.text import Text

    name, apart = measure["name"], measure["difference"]
    verdict = measure["verdict"]
    if verdict == "not enough data":
        verdict += f" ({measure['needed']} requests)"
    return (
        arm["arm"],
        name,
        _figure(name, measure["value"]),
        _interval(name, measure),
        "" if apart is None else f"{_figure(name, apart['value'])} {_interval(name, apart)}",
        Text(verdict, _STYLES.get(measure["verdict"], "dim")),
    )


def _sentence(arm: Mapping[str, Any]) -> str:
    said = (
        f"{arm['arm']}: {arm['share']:.3g} % of the traffic, {arm['requests']} requests, "
        f"{arm['failures']} failed; {arm['verdict']}"
    )
    if arm["needed"] is not None:
        said += f": it has {arm['requests']} requests, and {arm['needed']} are needed"
    if arm["silent"] is not None:
        said += f"; it cannot answer, and the others have its share meanwhile: {arm['silent']}"
    return said


def _interval(name: str, bounds: Mapping[str, Any]) -> str:
    return f"[{_figure(name, bounds['low'])}, {_figure(name, bounds['high'])}]"


def _figure(name: str, value: float | None) -> str:
    if value is None:
        return "?"
    if name == "failures":
        return f"{value:.2%}"
    return f"{value:.4g} ms" if name in _TIMES else f"{value:.4g}"
