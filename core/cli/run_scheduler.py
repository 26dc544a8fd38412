"""``penstock run scheduler``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.core.cli.agent_options import agent_options, no_agent_options, with_agent
from penstock.core.cli.config_option import config_option
from penstock.core.cli.output import output_option
from penstock.core.cli.proxy_options import with_proxy_apart
from penstock.core.cli.serving import (
    INTERRUPTED,
    begin_serving,
    port_options,
    print_started,
    run_loop,
    with_ports,
)

if TYPE_CHECKING:
    from penstock.core.config import Config
    from penstock.core.signals import StopSignals

READY_TIMEOUT_S = 300.0


def scheduler_command(roles: Collection[str]) -> click.Command:
    """The command of a scheduler that has these roles, its own among them."""
    is_agent = "agent" in roles

    @click.command(" ".join(roles))
    @(agent_options if is_agent else no_agent_options)
    @config_option
    @port_options
    @output_option
    def command(
        config: Path | None,
        rest_port: int | None,
        grpc_port: int | None,
        **agent: str | int | None,
    ) -> int:
        """Keep what is applied, and have agents (penstock run agent) load the models.

        Answers for all models and pipelines as well, over REST and gRPC, and calls the agents for
        them; where a transport crosses processes (transport.kind: kafka), it has to do with
        requests to pipelines only in the roles that may be named beside it: pipeline-gateway,
        dataflow, model-gateway. Runs no model itself, unless the role agent is named. With the
        role proxy the one address has ports of its own (proxy.restPort, proxy.grpcPort; free ones
        where they are not written). The first SIGINT or SIGTERM drains what is under way; a second
        one forces, and the exit code is then 130.
        """

        def override(read: Config) -> Config:
            chosen = with_ports(with_agent(read, **agent), rest_port, grpc_port)
            return with_proxy_apart(chosen) if "proxy" in roles else chosen

        return _schedule(roles, config, override)

    return command


def _schedule(
    roles: Collection[str], config: Path | None, override: Callable[[Config], Config]
) -> int:
    from penstock.core.runtime import Runtime, serve
    from penstock.core.runtime.stream_roles import chosen_roles

    settings, plugins, output, logs = begin_serving(config, override)
    runtime = Runtime(
        settings,
        plugins,
        logs=logs,
        hosts_models=False,
        roles=chosen_roles(roles),
        is_agent="agent" in roles,
        proxy="proxy" in roles,
    )

    def on_started(addresses: Mapping[str, str]) -> None:
        print_started(output, addresses, config)

    async def main() -> StopSignals:
        return await serve(
            runtime,
            ready_timeout_s=READY_TIMEOUT_S,
            on_started=on_started,
            on_ready=lambda _: True,
        )

    return INTERRUPTED if run_loop(main()).forced.is_set() else 0
