"""Commands that speak to a running server, and how they find it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import click

from penstock.core.client.control import ControlClient

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def server_option(function: F) -> F:
    """``--server HOST:PORT``, or PENSTOCK_SERVER."""
    option = click.option(
        "--server",
        envvar="PENSTOCK_SERVER",
        default="127.0.0.1:8901",
        show_default=True,
        show_envvar=True,
        help="The gRPC address of the server.",
    )
    return option(function)


def ask(server: str, question: Callable[[ControlClient], Coroutine[Any, Any, T]]) -> T:
    """Ask the control plane at ``server``; raises the PenstockError that it answers with."""

    async def asked() -> T:
        async with ControlClient(server) as client:
            return await question(client)

    return asyncio.run(asked())
