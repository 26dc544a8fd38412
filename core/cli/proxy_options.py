"""What commands have in common that host a proxy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from penstock.core.cli.serving import free_unless_written
from penstock.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from penstock.core.config import Config
    from penstock.core.config.sections import GrpcSection, RestSection

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S", "RestSection", "GrpcSection")

LOOPBACK = "127.0.0.1"


def kind_option(word: str) -> Callable[[F], F]:
    """The option ``word`` that says which forwarder, None where it is not given."""
    return click.option(
        word,
        "kind",
        metavar="FORWARDER",
        help="What forwards: embedded, envoy or that of a plug-in; proxy.kind of the configuration "
        "without it.",
    )


def with_proxy(config: Config, **given: str | int | Path | None) -> Config:
    """The configuration with what the command line says of the proxy."""
    update = {key: value for key, value in given.items() if value is not None}
    return config.model_copy(update={"proxy": config.proxy.model_copy(update=update)})


def behind_proxy(
    config: Config, rest_port: int | None, grpc_port: int | None, kind: str | None = None
) -> Config:
    """The configuration of a process whose own proxy has these ports; its front ends stand behind
    it, and their ports are free ones of this machine alone where the file does not say which.

    Raises InvalidRequestError where they speak TLS.
    """
    for name, section in (("rest", config.rest), ("grpc", config.grpc)):
        if section.tls is not None:
            raise InvalidRequestError(
                f"a proxy speaks no TLS to what stands behind it in its process; write {name}.tls "
                "as proxy.listenTls, for callers come to the proxy, or start without a proxy"
            )
    rest, grpc = _moved(config.rest), _moved(config.grpc)
    behind = config.model_copy(update={"rest": rest, "grpc": grpc})
    return with_proxy(behind, kind=kind, rest_port=rest_port, grpc_port=grpc_port)


def with_proxy_apart(config: Config) -> Config:
    """The configuration of a process whose own proxy has other ports than its front ends: those
    that the file says, else free ones."""
    written = config.proxy.model_fields_set
    ports = {key: 0 for key in ("rest_port", "grpc_port") if key not in written}
    return with_proxy(config, **ports)


def _moved(section: S) -> S:
    if free_unless_written(None, section) is None:
        return section
    return section.model_copy(update={"port": 0, "host": LOOPBACK})
