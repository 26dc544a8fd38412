"""The plug-in ``v2``: models on any server elsewhere that speaks V2."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.model import ServerAdapter
from penstock.core.plugins import hookimpl
from penstock.servers.v2.options import V2Options
from penstock.servers.v2.server import V2Server

penstock_api = 1


@hookimpl
def penstock_register_config() -> type[V2Options]:
    """The section ``plugins.v2``."""
    return V2Options


@hookimpl
def penstock_register_server_adapters() -> Mapping[str, type[ServerAdapter]]:
    """The server adapter ``v2``."""
    return {"v2": V2Server}
