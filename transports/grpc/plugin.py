"""The plug-in ``grpc``: registers the front end, and loads grpcio when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.core.config import GrpcSection
from penstock.core.contracts.frontend import FrontEnd
from penstock.core.plugins import hookimpl

penstock_api = 1


def grpc_front_end(options: GrpcSection) -> FrontEnd:
    """The front end that listens where the section ``grpc`` of the config file says."""
    from penstock.transports.grpc.front_end import GrpcFrontEnd

    return GrpcFrontEnd(options)


@hookimpl
def penstock_register_frontends() -> Mapping[str, Callable[..., FrontEnd]]:
    """The front end ``grpc``."""
    return {"grpc": grpc_front_end}
