"""The plug-in ``servers``: the command ``penstock servers``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.core.contracts.command import Command
from penstock.core.plugins import hookimpl

if TYPE_CHECKING:
    import click

penstock_api = 1


class ServersCommand(Command):
    """``penstock servers``."""

    def build(self) -> click.Command:
        from penstock.servers.installing.command import servers_command

        return servers_command


@hookimpl
def penstock_register_commands() -> Mapping[str, type[Command]]:
    """The command ``servers``."""
    return {"servers": ServersCommand}
