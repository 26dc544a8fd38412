"""``penstock logs``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from penstock.core.cli.awaited import awaited
from penstock.core.cli.inspect import Ago
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import log_kinds, names_of_kind
from penstock.core.cli.server_option import server_option
from penstock.core.client.remote_server import RemoteServer

if TYPE_CHECKING:
    from rich.text import Text

_STYLES: Final = {"debug": "dim", "info": "green", "warning": "yellow", "error": "red"}


@click.command("logs")
@click.argument("kind", required=False, shell_complete=log_kinds)
@click.argument("name", required=False, shell_complete=names_of_kind)
@click.option("--follow", "-f", is_flag=True, help="Go on with what is logged from now on.")
@click.option("--since", type=Ago(), default=0.0, help="As 90s, 10m, 2h, 1d: not older than that.")
@click.option("--level", type=click.Choice(list(_STYLES)), help="Only lines that weigh that much.")
@server_option
@output_option
def logs_command(
    kind: str | None,
    name: str | None,
    follow: bool,
    since: float,
    level: str | None,
    server: RemoteServer,
) -> None:
    """Show the latest lines that a running server logged, and those of servers that it started.

    With a KIND (model, pipeline, server, request), only lines about these; with a NAME only about
    that one. The server keeps a bounded number of lines; what is gone is counted. With -o json, one
    line of JSON for each.
    """
    output = Output.current()

    async def show() -> None:
        from penstock.core.client.control import ControlClient

        async with ControlClient(server) as client:
            lines = client.logs(kind=kind, name=name, follow=follow, since_ms=since, level=level)
            async for line in lines:
                _print(output, line)
            if follow:
                click.echo("the server has ended the stream", err=True)

    awaited(show())


def _print(output: Output, line: dict[str, Any] | int) -> None:
    if isinstance(line, int):
        if output.is_json:
            output.event({"lost": line})
        else:
            click.echo(f"({line} earlier lines are no longer kept)")
    elif output.is_json:
        output.event(line)
    else:
        output.console.print(_text(line))


def _text(line: dict[str, Any]) -> Text:
    from rich.text import Text

    moment = datetime.fromisoformat(line["at"]).astimezone()
    text = Text(f"{moment:%m-%d %H:%M:%S} ", style="dim")
    text.append(f"{line['level']:7} ", style=_STYLES[line["level"]])
    text.append(line["message"], style="default not dim")
    for kind, said in line["about"].items():
        text.append(f" {kind}={said}", style="cyan not dim")
    if "exception" in line:
        text.append(f"\n{line['exception']}", style="default not dim")
    return text
