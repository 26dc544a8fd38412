"""The plug-in ``kafka-broker``: the command ``penstock kafka``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.core.contracts.command import Command
from penstock.core.plugins import hookimpl

if TYPE_CHECKING:
    import click

penstock_api = 1


class KafkaCommand(Command):
    """``penstock kafka``."""

    def build(self) -> click.Command:
        from penstock.transports.kafka.broker.command import kafka_command

        return kafka_command


@hookimpl
def penstock_register_commands() -> Mapping[str, type[Command]]:
    """The command ``kafka``."""
    return {"kafka": KafkaCommand}
