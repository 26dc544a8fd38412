"""``penstock up``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.output import output_option
from penstock.core.cli.serving import (
    INTERRUPTED,
    NOT_READY,
    begin_serving,
    port_options,
    print_ready,
    print_started,
    run_loop,
    with_ports,
)

if TYPE_CHECKING:
    from penstock.core.control import Shortfall
    from penstock.core.signals import StopSignals


@click.command("up")
@click.argument("manifests", nargs=-1, type=click.Path(path_type=Path))
@config_option
@port_options
@click.option(
    "--ready-timeout",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    help="Seconds to get ready.",
)
@click.option("--stay", is_flag=True, help="Serve what is ready, also when not everything is.")
@output_option
def up_command(
    manifests: tuple[Path, ...],
    config: Path | None,
    rest_port: int | None,
    grpc_port: int | None,
    ready_timeout: float,
    stay: bool,
) -> int:
    """Serve MANIFESTS (files or folders) in this process, over REST and gRPC, until stopped.

    The first SIGINT or SIGTERM drains what is under way; a second one forces, and the exit code is
    then 130. Exits with 3 when something that was asked for does not become ready.
    """
    from penstock.core.runtime import Runtime, serve

    settings, plugins, output, logs = begin_serving(
        config, lambda read: with_ports(read, rest_port, grpc_port)
    )
    fell_short: list[Shortfall] = []

    def on_started(addresses: Mapping[str, str]) -> None:
        print_started(output, addresses, config)

    def on_ready(shortfalls: Sequence[Shortfall]) -> bool:
        print_ready(output, shortfalls)
        if stay or not shortfalls:
            return True
        fell_short.extend(shortfalls)
        return False

    async def main() -> StopSignals:
        runtime = Runtime(settings, plugins, logs=logs)
        return await serve(
            runtime,
            manifests,
            ready_timeout_s=ready_timeout,
            on_started=on_started,
            on_ready=on_ready,
        )

    if run_loop(main()).forced.is_set():
        return INTERRUPTED
    return NOT_READY if fell_short else 0
