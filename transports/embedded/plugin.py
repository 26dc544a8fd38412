"""The plug-in ``embedded``: registers the forwarder, and loads it when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.core.contracts.forwarder import Forwarder
from penstock.core.plugins import hookimpl

penstock_api = 1


def embedded_forwarder() -> Forwarder:
    """The forwarder that is a program of ours."""
    from penstock.transports.embedded.forwarder import EmbeddedForwarder

    return EmbeddedForwarder()


@hookimpl
def penstock_register_forwarders() -> Mapping[str, Callable[..., Forwarder]]:
    """The forwarder ``embedded``."""
    return {"embedded": embedded_forwarder}
