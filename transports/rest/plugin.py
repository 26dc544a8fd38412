"""The plug-in ``rest``: registers the front end, and loads the HTTP server when it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.core.config import RestSection
from penstock.core.contracts.frontend import FrontEnd
from penstock.core.plugins import hookimpl

penstock_api = 1


def rest_front_end(options: RestSection) -> FrontEnd:
    """The front end that listens where the section ``rest`` of the config file says."""
    from penstock.transports.rest.front_end import RestFrontEnd

    return RestFrontEnd(options)


@hookimpl
def penstock_register_frontends() -> Mapping[str, Callable[..., FrontEnd]]:
    """The front end ``rest``."""
    return {"rest": rest_front_end}
