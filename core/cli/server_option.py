"""Commands that speak to a running server: how they find it, and what they tell it."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from penstock.core.cli.awaited import awaited
from penstock.core.cli.server_places import GRPC_SERVER

if TYPE_CHECKING:
    from penstock.core.client.control import ControlClient
    from penstock.core.client.remote_server import Credentials, RemoteServer

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

FILE: Final = click.Path(path_type=Path, dir_okay=False)

OPTIONS: Final = (
    click.option(
        "--token-file",
        type=FILE,
        envvar="PENSTOCK_TOKEN_FILE",
        show_envvar=True,
        help="A file with the bearer token; PENSTOCK_TOKEN holds the token itself.",
    ),
    click.option(
        "--ca",
        type=FILE,
        envvar="PENSTOCK_CA",
        show_envvar=True,
        help="Certificates (PEM) of who signs the server's; TLS is spoken with it.",
    ),
    click.option(
        "--cert",
        type=FILE,
        envvar="PENSTOCK_CERT",
        show_envvar=True,
        help="Your own certificate (PEM), where the server wants one.",
    ),
    click.option(
        "--key",
        type=FILE,
        envvar="PENSTOCK_KEY",
        show_envvar=True,
        help="The key (PEM) of that certificate.",
    ),
)


def credential_options(function: F) -> F:
    """``--token-file``, ``--ca``, ``--cert``, ``--key``; the command is given ``credentials``."""

    @wraps(function)
    def command(**options: Any) -> Any:
        credentials = credentials_of(options)
        given = {name: value for name, value in options.items() if name not in _NAMES}
        return function(credentials=credentials, **given)

    decorated: Any = command
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    result: F = decorated
    return result


def server_option(function: F) -> F:
    """``--server HOST:PORT``, or PENSTOCK_SERVER, and the credentials; the command is given
    ``server``."""

    @wraps(function)
    def command(*, credentials: Credentials, server: str, **options: Any) -> Any:
        return function(server=credentials.server(server), **options)

    option = click.option(
        "--server",
        envvar="PENSTOCK_SERVER",
        default=GRPC_SERVER,
        show_default=True,
        show_envvar=True,
        help="The gRPC address of the server; grpcs://HOST:PORT where it speaks TLS.",
    )
    decorated: Any = option(credential_options(command))
    result: F = decorated
    return result


def credentials_of(options: Mapping[str, Any]) -> Credentials:
    """Those of options that were given. Raises InvalidRequestError for a token that cannot be
    read."""
    from penstock.core.client.remote_server import Credentials
    from penstock.core.credentials import token_of_environment, token_of_file

    token = None
    if options.get("token_file") is not None:
        token = token_of_file(options["token_file"], named="--token-file")
    elif os.environ.get("PENSTOCK_TOKEN"):
        token = token_of_environment("PENSTOCK_TOKEN")
    return Credentials(options.get("ca"), options.get("cert"), options.get("key"), token)


def ask(server: RemoteServer, question: Callable[[ControlClient], Coroutine[Any, Any, T]]) -> T:
    """Ask the control plane at ``server``; raises the PenstockError that it answers with."""
    from penstock.core.client.control import ControlClient

    async def asked() -> T:
        async with ControlClient(server) as client:
            return await question(client)

    return awaited(asked())


_NAMES: Final = frozenset(("token_file", "ca", "cert", "key"))
