"""``penstock run pipeline-gateway``, ``dataflow`` and ``model-gateway``, any in one process."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.follower import follow, follower_options, following
from penstock.core.cli.output import output_option
from penstock.core.cli.serving import free_unless_written, port_options, with_ports

if TYPE_CHECKING:
    from penstock.core.config import Config

_HELP: Final = {
    "pipeline-gateway": """Answer for all models and pipelines that a scheduler serves, over REST
    and gRPC: publish the requests to pipelines, and wait for what workers (penstock run dataflow)
    answer.

    Models that are called on their own are called where they are.""",
    "dataflow": """Work on the requests to all pipelines that a scheduler serves, and share them
    with other processes that do.

    Calls the models where they are. Ports that are given nowhere are free ones.""",
    "model-gateway": """Call the models of steps, for pipelines that have the layout spread, and
    share that with other processes that do.

    Takes the calls of the streams of steps, where workers (penstock run dataflow) write them.
    Ports that are given nowhere are free ones.""",
}

_ENDING: Final = """Needs a transport that crosses processes (transport.kind: kafka in the
    configuration), goes on with what it knows while the scheduler is away, and has no control plane
    of its own. The first SIGINT or SIGTERM hands over or drains what is under way; a second one
    forces, and the exit code is then 130."""


def stream_command(roles: Collection[str]) -> click.Command:
    """The command of a process with these roles."""

    @click.command(" ".join(roles), help="\n\n".join([*(_HELP[each] for each in roles), _ENDING]))
    @follower_options
    @config_option
    @port_options
    @output_option
    def command(
        scheduler: str | None,
        routes_file: Path | None,
        config: Path | None,
        rest_port: int | None,
        grpc_port: int | None,
    ) -> int:
        def override(read: Config) -> Config:
            chosen = following(read, scheduler, routes_file)
            if "pipeline-gateway" in roles:
                return with_ports(chosen, rest_port, grpc_port)
            return with_ports(
                chosen,
                free_unless_written(rest_port, read.rest),
                free_unless_written(grpc_port, read.grpc),
            )

        return follow(config, override, roles)

    return command
