"""``penstock get``."""

from __future__ import annotations

import click

from penstock.core.cli.output import Output, output_option
from penstock.core.cli.resources import print_resources
from penstock.core.cli.served_names import kind_names, names_of_kind
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer


@click.command("get")
@click.argument("kind", required=False, shell_complete=kind_names)
@click.argument("name", required=False, shell_complete=names_of_kind)
@server_option
@output_option
def get_command(kind: str | None, name: str | None, server: RemoteServer) -> None:
    """Show the resources of a running server, those of a KIND, or the one with a NAME."""
    output = Output.current()
    if kind is None or name is None:
        resources = ask(server, lambda client: client.list(kind))
        if output.is_json:
            output.json(resources)
        else:
            print_resources(output, resources)
        return
    wanted_kind, wanted_name = kind, name
    resource = ask(server, lambda client: client.get(wanted_kind, wanted_name))
    if output.is_json:
        output.json(resource)
    else:
        import yaml

        click.echo(yaml.safe_dump(resource, sort_keys=False), nl=False)
