"""``penstock up``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.output import output_option
from penstock.core.cli.proxy_options import behind_proxy, kind_option
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
from penstock.core.identity import MOST_WORKERS

if TYPE_CHECKING:
    from penstock.core.config import Config
    from penstock.core.control import Shortfall
    from penstock.core.runtime import Runtime
    from penstock.core.signals import StopSignals
    from penstock.core.workers.ports import WorkerPorts
    from penstock.core.workers.scheduler import WorkerScheduler


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
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    metavar="N",
    help="Serve in N processes behind the same address, for all cores of the machine (Linux).",
)
@kind_option("--proxy")
@click.option("--stay", is_flag=True, help="Serve what is ready, also when not everything is.")
@output_option
def up_command(
    manifests: tuple[Path, ...],
    config: Path | None,
    rest_port: int | None,
    grpc_port: int | None,
    ready_timeout: float,
    workers: int | None,
    kind: str | None,
    stay: bool,
) -> int:
    """Serve MANIFESTS (files or folders) over REST and gRPC until stopped, in this process or in
    workers of it. With a proxy the ports are its own, and what answers stands behind it.

    The first SIGINT or SIGTERM drains what is under way; a second one forces, and the exit code is
    then 130. Exits with 3 when something that was asked for does not become ready.
    """
    kept = click.get_current_context().with_resource(ExitStack())
    doors: list[WorkerPorts] = []

    def override(read: Config) -> Config:
        if kind is not None or "kind" in read.proxy.model_fields_set:
            if workers is not None:
                raise click.UsageError(
                    "workers share one port already; start penstock run proxy beside them"
                )
            return behind_proxy(read, rest_port, grpc_port, kind)
        chosen = with_ports(read, rest_port, grpc_port)
        if workers is None:
            return chosen
        from penstock.core.workers.ports import WorkerPorts

        doors.append(kept.enter_context(closing(WorkerPorts(chosen, workers))))
        return doors[0].doors.scheduler.on(chosen)

    settings, plugins, output, logs = begin_serving(config, override)
    fell_short: list[Shortfall] = []

    def on_started(addresses: Mapping[str, str]) -> None:
        print_started(output, addresses, config)

    def on_ready(shortfalls: Sequence[Shortfall]) -> bool:
        print_ready(output, shortfalls)
        if stay or not shortfalls:
            return True
        fell_short.extend(shortfalls)
        return False

    # What speaks gRPC comes after that has been told how much it logs.
    from penstock.core.runtime import Runtime, host

    reached_at = doors[0].addresses() if doors else None
    runtime = Runtime(
        settings,
        plugins,
        logs=logs,
        workers=workers or 0,
        reached_at=reached_at,
        proxy="kind" in settings.proxy.model_fields_set,
    )
    hosted: Runtime | WorkerScheduler = runtime
    if doors:
        from penstock.core.workers.scheduler import WorkerScheduler

        hosted = WorkerScheduler(runtime, doors[0], config)

    async def main() -> StopSignals:
        return await host(
            hosted,
            partial(hosted.start, manifests),
            ready_timeout_s=ready_timeout,
            on_started=on_started,
            on_ready=on_ready,
        )

    if run_loop(main()).forced.is_set():
        return INTERRUPTED
    return NOT_READY if fell_short else 0
