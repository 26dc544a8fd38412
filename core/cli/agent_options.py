"""What commands have in common that host an agent."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from penstock.core.config import Config

F = TypeVar("F", bound=Callable[..., Any])


def agent_options(function: F) -> F:
    """``--server``, ``--name`` and ``--number``, None where they are not given."""
    server = click.option(
        "--server", metavar="ADAPTER", help="The server: inprocess, mlserver, triton or v2."
    )
    name = click.option(
        "--name", help="The server that it is a replica of; else the adapter's name."
    )
    number = click.option(
        "--number",
        type=click.IntRange(0),
        help="Which replica; else the scheduler gives it a number.",
    )
    return server(name(number(function)))


def with_agent(config: Config, **given: str | int | None) -> Config:
    """The configuration with what the command line says of the agent."""
    update = {key: value for key, value in given.items() if value is not None}
    return config.model_copy(update={"agent": config.agent.model_copy(update=update)})


def no_agent_options(function: F) -> F:
    """Those of a process that is no agent."""
    return function
