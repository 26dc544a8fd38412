"""The options of the plug-in ``mlserver``."""

from __future__ import annotations

from pydantic import Field

from penstock.core.config.sections import Bound
from penstock.servers.child.options import ChildOptions


class MLServerOptions(ChildOptions):
    """How an MLServer is started, watched and called."""

    workers: Bound = Field(
        default=1, description="Processes that compute (MLServer's parallel_workers)."
    )
    own_processes: bool = Field(
        default=True,
        description="Whether a model with code of its own computes in processes of its own: "
        "modules of the same name would meet in shared ones.",
    )
