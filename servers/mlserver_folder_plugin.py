"""The plug-in ``mlserver-folder``: the loader of MLServer's folders."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.contracts.model import Loader
from penstock.core.plugins import hookimpl
from penstock.servers.mlserver_folder import MLServerFolderLoader

penstock_api = 1


@hookimpl
def penstock_register_loaders() -> Mapping[str, type[Loader]]:
    """The loader ``mlserver-folder``."""
    return {"mlserver-folder": MLServerFolderLoader}
