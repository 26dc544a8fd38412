"""``penstock delete``."""

from __future__ import annotations

import click

from penstock.core.cli.changes import print_changes
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import kind_names, names_of_kind
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer


@click.command("delete")
@click.argument("kind", shell_complete=kind_names)
@click.argument("name", shell_complete=names_of_kind)
@click.option("--force", is_flag=True, help="Also when others use it; they are then not ready.")
@server_option
@output_option
def delete_command(kind: str, name: str, force: bool, server: RemoteServer) -> None:
    """Delete the resource NAME of a KIND (model, pipeline, ...) from a running server."""
    change = ask(server, lambda client: client.delete(kind, name, force=force))
    print_changes(Output.current(), [change])
