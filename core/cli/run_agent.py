"""``penstock run agent``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.core.cli.agent_options import agent_options, with_agent
from penstock.core.cli.config_option import config_option
from penstock.core.cli.output import output_option
from penstock.core.cli.serving import (
    INTERRUPTED,
    begin_serving,
    free_unless_written,
    port_options,
    print_started,
    run_loop,
    with_ports,
)

if TYPE_CHECKING:
    from penstock.core.config import Config
    from penstock.core.signals import StopSignals


@click.command("agent")
@agent_options
@click.option(
    "--scheduler",
    metavar="HOST:PORT",
    help="The gRPC address of the scheduler to follow; agent.scheduler of the configuration "
    "without it.",
)
@config_option
@port_options
@output_option
def run_agent_command(
    server: str | None,
    name: str | None,
    number: int | None,
    scheduler: str | None,
    config: Path | None,
    rest_port: int | None,
    grpc_port: int | None,
) -> int:
    """Be one replica of a server: start it, and load the models that a scheduler says.

    What is not given here is taken from the section agent of the configuration file; ports that
    are given nowhere are free ones. Answers V2 for its models over REST and gRPC, also while the
    scheduler is away. The first SIGINT or SIGTERM has the models go elsewhere and drains what is
    under way; a second one forces, and the exit code is then 130.
    """
    from penstock.core.agent.process import AgentProcess, serve_agent

    def override(read: Config) -> Config:
        chosen = with_agent(read, server=server, name=name, number=number, scheduler=scheduler)
        return with_ports(
            chosen,
            free_unless_written(rest_port, read.rest),
            free_unless_written(grpc_port, read.grpc),
        )

    settings, plugins, output, logs = begin_serving(config, override)

    def on_started(addresses: Mapping[str, str]) -> None:
        print_started(output, addresses, config)

    async def main() -> StopSignals:
        return await serve_agent(AgentProcess(settings, plugins, logs=logs), on_started)

    return INTERRUPTED if run_loop(main()).forced.is_set() else 0
