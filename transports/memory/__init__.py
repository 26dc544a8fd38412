"""The plug-in ``memory``: streams in one process, bounded, gone when it ends."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.transport import Transport
from penstock.core.plugins import hookimpl
from penstock.transports.memory.options import MemoryOptions
from penstock.transports.memory.transport import MemoryTransport

__all__ = ["MemoryOptions", "MemoryTransport"]

penstock_api = 1


@hookimpl
def penstock_register_config() -> type[MemoryOptions]:
    """The options beside ``transport.kind``."""
    return MemoryOptions


@hookimpl
def penstock_register_transports() -> Mapping[str, type[Transport]]:
    """The transport ``memory``."""
    return {"memory": MemoryTransport}
