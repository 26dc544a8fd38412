"""The plug-in ``envoy``: registers the forwarder, and loads Envoy's messages when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.core.contracts.forwarder import Forwarder
from penstock.core.plugins import hookimpl
from penstock.transports.envoy.options import EnvoyOptions

penstock_api = 1


def envoy_forwarder(options: EnvoyOptions) -> Forwarder:
    """The forwarder that has Envoy forward."""
    from penstock.transports.envoy.forwarder import EnvoyForwarder

    return EnvoyForwarder(options)


@hookimpl
def penstock_register_config() -> type[EnvoyOptions]:
    """The section ``plugins.envoy`` of the config file."""
    return EnvoyOptions


@hookimpl
def penstock_register_forwarders() -> Mapping[str, Callable[[EnvoyOptions], Forwarder]]:
    """The forwarder ``envoy``."""
    return {"envoy": envoy_forwarder}
