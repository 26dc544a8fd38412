"""``penstock apply``."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.core.cli.changes import print_changes
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer
from penstock.core.manifests import texts_of


@click.command("apply")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option(
    "--diff/--no-diff",
    "shows_diff",
    default=True,
    help="Show how the manifest of each changed resource has changed.",
)
@server_option
@output_option
def apply_command(
    manifests: tuple[Path, ...], dry_run: bool, shows_diff: bool, server: RemoteServer
) -> None:
    """Give MANIFESTS (files or folders) to a running server, as one set: all of it or none."""
    texts = list(texts_of(manifests))
    changes = ask(server, lambda client: client.apply(texts, dry_run=dry_run))
    print_changes(Output.current(), changes, dry_run=dry_run, shows_diff=shows_diff)
