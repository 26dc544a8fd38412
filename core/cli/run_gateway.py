"""``penstock run gateway``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.follower import follow, follower_options, following
from penstock.core.cli.output import output_option
from penstock.core.cli.serving import port_options, with_ports

if TYPE_CHECKING:
    from penstock.core.config import Config


@click.command("gateway")
@follower_options
@config_option
@port_options
@output_option
def run_gateway_command(
    scheduler: str | None,
    routes_file: Path | None,
    config: Path | None,
    rest_port: int | None,
    grpc_port: int | None,
) -> int:
    """Answer for all models and pipelines that a scheduler serves, over REST and gRPC.

    Calls the models where they are, and goes on with what it knows while the scheduler is away.
    Has no control plane of its own. The first SIGINT or SIGTERM drains what is under way; a second
    one forces, and the exit code is then 130.
    """

    def override(read: Config) -> Config:
        return with_ports(following(read, scheduler, routes_file), rest_port, grpc_port)

    return follow(config, override)
