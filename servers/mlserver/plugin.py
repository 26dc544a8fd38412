"""The plug-in ``mlserver``: models on an MLServer that is started for them."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.model import ServerAdapter
from penstock.core.plugins import hookimpl
from penstock.servers.mlserver.options import MLServerOptions
from penstock.servers.mlserver.server import MLServer

penstock_api = 1


@hookimpl
def penstock_register_config() -> type[MLServerOptions]:
    """The section ``plugins.mlserver``."""
    return MLServerOptions


@hookimpl
def penstock_register_server_adapters() -> Mapping[str, type[ServerAdapter]]:
    """The server adapter ``mlserver``."""
    return {"mlserver": MLServer}
