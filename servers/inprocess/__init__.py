"""The plug-in ``inprocess``: models that are loaded and called in this process."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.model import ServerAdapter
from penstock.core.plugins import hookimpl
from penstock.servers.inprocess.options import InProcessOptions
from penstock.servers.inprocess.server import InProcessServer

__all__ = ["InProcessOptions", "InProcessServer"]

penstock_api = 1


@hookimpl
def penstock_register_config() -> type[InProcessOptions]:
    """The section ``plugins.inprocess``."""
    return InProcessOptions


@hookimpl
def penstock_register_server_adapters() -> Mapping[str, type[ServerAdapter]]:
    """The server adapter ``inprocess``."""
    return {"inprocess": InProcessServer}
