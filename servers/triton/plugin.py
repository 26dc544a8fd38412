"""The plug-in ``triton``: models on a Triton that is started for them."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.model import ServerAdapter
from penstock.core.plugins import hookimpl
from penstock.servers.triton.options import TritonOptions
from penstock.servers.triton.server import TritonServer

penstock_api = 1


@hookimpl
def penstock_register_config() -> type[TritonOptions]:
    """The section ``plugins.triton``."""
    return TritonOptions


@hookimpl
def penstock_register_server_adapters() -> Mapping[str, type[ServerAdapter]]:
    """The server adapter ``triton``."""
    return {"triton": TritonServer}
