"""Commands that plug-ins add."""

from __future__ import annotations

import click

from penstock.core.contracts.command import Command
from penstock.core.errors import PenstockError
from penstock.core.plugins.manager import start_up


def plugin_command(name: str) -> click.Command | None:
    """The command that a plug-in registers under ``name``; None when there is none.

    Raises ClickException when it cannot be built, and says whose it is.
    """
    try:
        _, plugins = start_up(None)
    except PenstockError:
        # What is wrong with plug-ins is told by the commands that need them.
        return None
    if name not in plugins.commands.names():
        return None
    command: Command = plugins.make(plugins.commands, name)
    try:
        return command.build()
    except Exception as error:
        origin = plugins.commands.origin(name)
        raise click.ClickException(
            f"the command '{name}' of {origin} cannot be built: {type(error).__name__}: {error}"
        ) from error
