"""``penstock config``."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.core.cli.config_option import CONFIG_FILE
from penstock.core.cli.output import Output, output_option


@click.group("config")
@output_option
def config_command() -> None:
    """Check the configuration file, or print its schema."""


@config_command.command("check")
@click.argument("file", type=click.Path(path_type=Path), default=CONFIG_FILE)
@output_option
def check(file: Path) -> None:
    """Say everything that is wrong with a configuration FILE (penstock.yaml)."""
    from penstock.core.plugins.manager import start_up

    start_up(file)
    output = Output.current()
    if output.is_json:
        output.json({"file": str(file), "problems": []})
    else:
        output.console.print(f"{file}: nothing is wrong with it")


@config_command.command("schema")
@output_option
def schema() -> None:
    """Print the JSON Schema of the configuration file, with the plug-ins that are installed."""
    from penstock.core.plugins.config_schema import written_schema
    from penstock.core.plugins.manager import start_up

    click.echo(written_schema(start_up(None)[1]), nl=False)
