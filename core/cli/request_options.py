"""Options of commands that send requests: what to send, and where."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from penstock.core.cli.served_names import target_names
from penstock.core.cli.server_option import credential_options
from penstock.core.cli.server_places import GRPC_SERVER, REST_SERVER
from penstock.core.client.remote_server import Credentials

F = TypeVar("F", bound=Callable[..., Any])


def request_options(function: F) -> F:
    """TARGET, DATA, ``--tensor``, ``--grpc``, ``--server``, ``--header`` and the credentials; the
    command is given ``server``."""

    @wraps(function)
    def command(*, credentials: Credentials, server: str | None, **options: Any) -> Any:
        place = server or (GRPC_SERVER if options["over_grpc"] else REST_SERVER)
        return function(server=credentials.server(place), **options)

    decorated: Any = credential_options(command)
    for option in reversed(
        (
            click.argument("target", shell_complete=target_names),
            click.argument("data", required=False),
            click.option(
                "--tensor",
                "tensors",
                multiple=True,
                metavar="NAME=VALUE[:DATATYPE]",
                help="An input: JSON (x=[1,2]:FP32) or a file (x=@x.npy). May be repeated.",
            ),
            click.option(
                "--grpc/--rest", "over_grpc", default=False, help="Which protocol to use."
            ),
            click.option(
                "--server",
                help="Where the server is [127.0.0.1:8900, or :8901 with --grpc]; https://, or "
                "grpcs://, where it speaks TLS.",
            ),
            click.option(
                "--header",
                "headers",
                multiple=True,
                metavar="NAME:VALUE",
                help="May be repeated.",
            ),
        )
    ):
        decorated = option(decorated)
    result: F = decorated
    return result


def headers_of(written: tuple[str, ...]) -> dict[str, str]:
    """The headers of ``--header``; raises BadParameter."""
    return dict(_header(each) for each in written)


def _header(written: str) -> tuple[str, str]:
    name, colon, value = written.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"'{written}' is no header; write NAME:VALUE")
    return name.strip().lower(), value.strip()
