"""``penstock undrain``."""

from __future__ import annotations

import click

from penstock.core.cli.drain import replica_option
from penstock.core.cli.drain_view import print_drain
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import server_names
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer


@click.command("undrain")
@click.argument("name", metavar="SERVER", shell_complete=server_names)
@replica_option
@server_option
@output_option
def undrain_command(name: str, replica: int | None, server: RemoteServer) -> None:
    """Have a SERVER that was drained take models again."""
    output = Output.current()
    state = ask(server, lambda client: client.drain(name, replica, undo=True))
    if output.is_json:
        output.json(state)
    else:
        print_drain(output, state)
