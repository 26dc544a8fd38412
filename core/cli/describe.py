"""``penstock describe``."""

from __future__ import annotations

import click

from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import kind_names, names_of_kind
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer


@click.command("describe")
@click.argument("kind", shell_complete=kind_names)
@click.argument("name", shell_complete=names_of_kind)
@server_option
@output_option
def describe_command(kind: str, name: str, server: RemoteServer) -> None:
    """Show everything about the resource NAME of a KIND (model, pipeline, server, ...).

    Its manifest and how it stands, where its copies or replicas are and why, what it uses and what
    uses it, and what happened to it lately, as far back as the server remembers.
    """
    output = Output.current()
    description = ask(server, lambda client: client.describe(kind, name))
    if output.is_json:
        output.json(description)
        return
    from penstock.core.cli.description_view import print_description

    print_description(output, description)
