"""``penstock run proxy``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.follower import follower_options, host_follower
from penstock.core.cli.output import output_option
from penstock.core.cli.proxy_options import kind_option, with_proxy
from penstock.core.cli.serving import begin_serving, port_options

if TYPE_CHECKING:
    from penstock.core.config import Config


@click.command("proxy")
@follower_options
@kind_option("--kind")
@config_option
@port_options
@output_option
def run_proxy_command(
    scheduler: str | None,
    routes_file: Path | None,
    kind: str | None,
    config: Path | None,
    rest_port: int | None,
    grpc_port: int | None,
) -> int:
    """Be the one address for all models and pipelines that a scheduler serves, over REST and gRPC.

    Sends requests to agents where those answer by themselves, and to any gateway for all else.
    Goes on with what it knows while the scheduler is away. The first SIGINT or SIGTERM drains what
    is under way; a second one forces, and the exit code is then 130.
    """

    def override(read: Config) -> Config:
        return with_proxy(
            read,
            kind=kind,
            scheduler=scheduler,
            routes_file=routes_file,
            rest_port=rest_port,
            grpc_port=grpc_port,
        )

    settings, plugins, output, _ = begin_serving(config, override)
    # What speaks gRPC comes after that has said how much it logs.
    from penstock.core.proxy.process import ProxyProcess

    return host_follower(ProxyProcess(settings, plugins), output, config)
