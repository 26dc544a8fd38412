"""``penstock explain``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import model_names
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer

if TYPE_CHECKING:
    from rich.text import Text


@click.command("explain")
@click.argument("model", shell_complete=model_names)
@server_option
@output_option
def explain_command(model: str, server: RemoteServer) -> None:
    """Say where the copies of a MODEL are, and what each server has for and against one more.

    Each replica of each server has a row: what keeps a copy from it, by every filter, or how little
    it suits by every sorter (the lowest first).
    """
    output = Output.current()
    placement = ask(server, lambda client: client.explain(model))
    if output.is_json:
        output.json(placement)
        return
    click.echo(_headline(placement))
    if placement["servers"]:
        output.table(
            ("server", "models", "room", "copy", "why"),
            [_row(each) for each in placement["servers"]],
            unfolded=("server", "room"),
        )


def _headline(placement: Mapping[str, Any]) -> str:
    said = f"model '{placement['model']}', version {placement['version']}"
    if "wanted" in placement:
        said += f": {placement['loaded']} of {placement['wanted']} replicas are loaded"
    return said if placement["why"] is None else f"{said}; {placement['why']}"


def _row(replica: Mapping[str, Any]) -> tuple[str, str, str, Text, Text]:
    from rich.text import Text

    from penstock.core.resources.quantity import format_bytes

    room = "not counted"
    if replica["memory_bytes"] is not None:
        free, memory = replica["free_memory_bytes"], replica["memory_bytes"]
        room = f"{format_bytes(free)} of {format_bytes(memory)}"
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
    return name, str(replica["models"]), room, Text(verdict, style), Text(why)


def _shown(cost: float | None) -> str:
    return "-" if cost is None else f"{cost:g}"
