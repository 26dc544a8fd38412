"""``penstock explain``."""

from __future__ import annotations

import click

from penstock.core.cli.output import Output, output_option
from penstock.core.cli.placement_view import print_placement
from penstock.core.cli.served_names import model_names
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer


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
    print_placement(output, placement)
