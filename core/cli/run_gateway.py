"""``penstock run gateway``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.output import output_option
from penstock.core.cli.serving import (
    INTERRUPTED,
    begin_serving,
    port_options,
    print_ready,
    print_started,
    run_loop,
    with_ports,
)

if TYPE_CHECKING:
    from penstock.core.config import Config
    from penstock.core.signals import StopSignals

READY_TIMEOUT_S: Final = 300.0
"""After so long people are told that there are no routes yet; they are waited for all the same."""


@click.command("gateway")
@click.option(
    "--scheduler",
    metavar="HOST:PORT",
    help="The gRPC address of the scheduler to follow; gateway.scheduler of the configuration "
    "without it.",
)
@click.option(
    "--routes-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the last routes here, to serve by them at a start without the scheduler.",
)
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
        changed = {"scheduler": scheduler, "routes_file": routes_file}
        given = {key: value for key, value in changed.items() if value is not None}
        gateway = read.gateway.model_copy(update=given)
        return with_ports(read.model_copy(update={"gateway": gateway}), rest_port, grpc_port)

    settings, plugins, output, logs = begin_serving(config, override)
    # What speaks gRPC comes after that has said how much it logs.
    from penstock.core.runtime import host
    from penstock.core.runtime.gateway_process import GatewayProcess

    process = GatewayProcess(settings, plugins, logs=logs)

    def on_started(addresses: Mapping[str, str]) -> None:
        print_started(output, addresses, config)

    def on_ready(shortfalls: Sequence[str]) -> bool:
        print_ready(output, shortfalls)
        return True

    async def main() -> StopSignals:
        return await host(
            process,
            process.start,
            ready_timeout_s=READY_TIMEOUT_S,
            on_started=on_started,
            on_ready=on_ready,
        )

    return INTERRUPTED if run_loop(main()).forced.is_set() else 0
