"""``penstock version``."""

from __future__ import annotations

import platform

import click

import penstock
from penstock.core.cli.output import Output, output_option


@click.command("version")
@output_option
def version_command() -> None:
    """Print the version of Penstock and of Python."""
    output = Output.current()
    versions = {"penstock": penstock.__version__, "python": platform.python_version()}
    if output.is_json:
        output.json(versions)
    else:
        click.echo(f"penstock {versions['penstock']} (Python {versions['python']})")
