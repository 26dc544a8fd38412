"""How the placement of a model is printed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from penstock.core.cli.output import Output

if TYPE_CHECKING:
    from rich.text import Text


def print_placement(output: Output, placement: Mapping[str, Any]) -> None:
    """A headline, and a row for each replica of each server."""
    click.echo(_headline(placement))
    if placement.get("grow"):
        named = ", ".join(f"'{server}'" for server in placement["grow"])
        click.echo(f"it would fit on one more replica of server {named}")
    if placement["servers"]:
        output.table(
            ("server", "models", "room", "copy", "why"),
            [_row(each) for each in placement["servers"]],
            unfolded=("server", "room"),
        )


def room_of(replica: Mapping[str, Any]) -> str:
    """How much memory of a replica is free for models."""
    from penstock.core.resources.quantity import format_bytes

    free, memory = replica["free_memory_bytes"], replica["memory_bytes"]
    if memory is None:
        return "not counted"
    said = f"{format_bytes(free)} of {format_bytes(memory)}"
    measured = replica.get("measured_bytes")
    return f"{said}, {format_bytes(measured)} measured" if measured else said


def _headline(placement: Mapping[str, Any]) -> str:
    said = f"model '{placement['model']}', version {placement['version']}"
    if "wanted" in placement:
        said += f": {placement['loaded']} of {placement['wanted']} replicas are loaded"
    if placement.get("workers"):
        said += f", over all {placement['workers']} workers, at most one in each"
    return said if placement["why"] is None else f"{said}; {placement['why']}"


def _row(replica: Mapping[str, Any]) -> tuple[str, str, str, Text, Text]:
    from rich.text import Text

    if replica["taken"] is not None:
        verdict, style, why = "-", "dim", replica["taken"]
        if why == "has a copy":
            verdict, style, why = "yes", "green", ""
    elif replica["refusals"]:
        verdict, style = "no", "red"
        why = "; ".join(f"{filter}: {said}" for filter, said in replica["refusals"].items())
    else:
        verdict, style = f"next {replica['rank']}", "cyan"
        why = ", ".join(f"{sorter} {_shown(cost)}" for sorter, cost in replica["costs"].items())
    name = f"{replica['server']}/{replica['replica']}"
    return name, str(replica["models"]), room_of(replica), Text(verdict, style), Text(why)


def _shown(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:g}"
