"""``penstock run`` for processes that follow a scheduler in any mix of roles."""

from __future__ import annotations

from collections.abc import Callable, Collection
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from penstock.core.cli.agent_options import agent_options, no_agent_options, with_agent
from penstock.core.cli.config_option import config_option
from penstock.core.cli.follower import follow, follower_options, following, one_scheduler
from penstock.core.cli.output import output_option
from penstock.core.cli.proxy_options import behind_proxy
from penstock.core.cli.serving import free_unless_written, port_options, with_ports

if TYPE_CHECKING:
    from penstock.core.config import Config

F = TypeVar("F", bound=Callable[..., Any])

_HELP: Final = {
    "gateway": """Answer for all models and pipelines that a scheduler serves, over REST and gRPC.

    Calls the models where they are, and runs pipelines itself.""",
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
    "proxy": """Be the one address for all that a scheduler serves as well, with these ports; what
    else answers in the process stands behind it, at free ports.""",
    "agent": """Be one replica of a server as well: start it, and load the models that the scheduler
    says. The other roles call them without leaving the process.""",
}

_ENDING: Final = """Goes on with what it knows while the scheduler is away, and has no control plane
    of its own. The first SIGINT or SIGTERM hands over or drains what is under way; a second one
    forces, and the exit code is then 130."""

_OVER_STREAMS: Final = """Needs a transport that crosses processes (transport.kind: kafka in the
    configuration)."""


def follower_command(roles: Collection[str]) -> click.Command:
    """The command of a process with these roles, the scheduler's not among them."""
    answers = not {"gateway", "pipeline-gateway"}.isdisjoint(roles)

    @click.command(" ".join(roles), help=_help(roles))
    @follower_options
    @(agent_options if "agent" in roles else no_agent_options)
    @config_option
    @port_options
    @output_option
    def command(
        scheduler: str | None,
        routes_file: Path | None,
        config: Path | None,
        rest_port: int | None,
        grpc_port: int | None,
        **agent: str | int | None,
    ) -> int:
        def override(read: Config) -> Config:
            chosen = following(read, scheduler, routes_file)
            if "agent" in roles:
                chosen = one_scheduler(with_agent(chosen, scheduler=scheduler, **agent))
            if "proxy" in roles:
                return behind_proxy(chosen, rest_port, grpc_port)
            if answers:
                return with_ports(chosen, rest_port, grpc_port)
            return with_ports(
                chosen,
                free_unless_written(rest_port, read.rest),
                free_unless_written(grpc_port, read.grpc),
            )

        return follow(config, override, roles)

    return command


def _help(roles: Collection[str]) -> str:
    said = [text for role, text in _HELP.items() if role in roles]
    over_streams = [] if {"gateway", "agent", "proxy"}.issuperset(roles) else [_OVER_STREAMS]
    return "\n\n".join(map(cleandoc, [*said, *over_streams, _ENDING]))
