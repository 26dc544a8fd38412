"""The plug-in ``venv``: Python models in environments of their own."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.model import ServerAdapter
from penstock.core.plugins import hookimpl
from penstock.servers.environments.options import VenvOptions
from penstock.servers.environments.server import VenvServer

penstock_api = 1


@hookimpl
def penstock_register_config() -> type[VenvOptions]:
    """The section ``plugins.venv``."""
    return VenvOptions


@hookimpl
def penstock_register_server_adapters() -> Mapping[str, type[ServerAdapter]]:
    """The server adapter ``venv``."""
    return {"venv": VenvServer}
