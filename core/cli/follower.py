"""What commands have in common that host a process which follows a scheduler for its routes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from penstock.core.cli.serving import (
    INTERRUPTED,
    begin_serving,
    print_ready,
    print_started,
    run_loop,
)

if TYPE_CHECKING:
    from penstock.core.cli.output import Output
    from penstock.core.config import Config
    from penstock.core.proxy.process import ProxyProcess
    from penstock.core.runtime.gateway_process import GatewayProcess
    from penstock.core.signals import StopSignals

F = TypeVar("F", bound=Callable[..., Any])

READY_TIMEOUT_S: Final = 300.0
"""After so long people are told that there are no routes yet; they are waited for all the same."""


def follower_options(function: F) -> F:
    """``--scheduler`` and ``--routes-file``, None where they are not given."""
    scheduler = click.option(
        "--scheduler",
        metavar="HOST:PORT",
        help="The gRPC address of the scheduler to follow; without it gateway.scheduler of the "
        "configuration, for a proxy alone proxy.scheduler.",
    )
    routes_file = click.option(
        "--routes-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Keep the last routes here, to serve by them at a start without the scheduler.",
    )
    return scheduler(routes_file(function))


def following(config: Config, scheduler: str | None, routes_file: Path | None) -> Config:
    """The configuration with what the command line says of the scheduler."""
    changed = {"scheduler": scheduler, "routes_file": routes_file}
    given = {key: value for key, value in changed.items() if value is not None}
    return config.model_copy(update={"gateway": config.gateway.model_copy(update=given)})


def one_scheduler(config: Config) -> Config:
    """The configuration of a process that is an agent as well: what one of the two sections does
    not say of their scheduler is as the other has it."""
    gateway = config.gateway.filled_from(config.agent)
    agent = config.agent.filled_from(gateway)
    return config.model_copy(update={"gateway": gateway, "agent": agent})


def follow(
    config: Path | None, override: Callable[[Config], Config], roles: Collection[str]
) -> int:
    """Host a process with these roles until it is stopped; the exit code."""
    settings, plugins, output, logs = begin_serving(config, override)
    # What speaks gRPC comes after that has said how much it logs.
    from penstock.core.runtime.gateway_process import GatewayProcess

    process = GatewayProcess(settings, plugins, logs=logs, roles=roles)
    return host_follower(process, output, config)


def host_follower(
    process: GatewayProcess | ProxyProcess, output: Output, config: Path | None
) -> int:
    """Host a process that follows a scheduler until it is stopped; the exit code."""
    from penstock.core.runtime import host

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
