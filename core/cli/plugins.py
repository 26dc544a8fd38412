"""``penstock plugins``."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.output import Output, output_option
from penstock.core.plugins.description import PluginDescription
from penstock.core.plugins.errors import PluginsError
from penstock.core.plugins.manager import start_up

_STYLES = {"active": "green", "disabled": "dim", "unavailable": "yellow", "failed": "red"}


@click.command("plugins")
@config_option
@output_option
def plugins_command(config: Path | None) -> None:
    """List every plug-in that is installed: whose it is, what it registers, and its state.

    Exits with 1 when a plug-in would stop a start-up.
    """
    output = Output.current()
    failure: PluginsError | None = None
    try:
        descriptions = start_up(config)[1].describe()
    except PluginsError as error:
        failure = error
        descriptions = error.descriptions
    if output.is_json:
        output.json([description.as_json() for description in descriptions])
    else:
        _print_table(output, descriptions)
    if failure is not None:
        raise failure


def _print_table(output: Output, descriptions: tuple[PluginDescription, ...]) -> None:
    from rich.text import Text

    def row(plugin: PluginDescription) -> tuple[str, str, Text, Text]:
        registers = "; ".join(
            f"{kind}: {', '.join(names)}" for kind, names in plugin.registers.items()
        )
        origin = f"{plugin.distribution or '?'} {plugin.version or ''}".strip()
        state = Text(plugin.state, style=_STYLES[plugin.state])
        return plugin.name, origin, state, Text(plugin.reason or registers)

    output.table(("plug-in", "distribution", "state", "registers"), map(row, descriptions))
