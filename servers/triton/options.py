"""The options of the plug-in ``triton``."""

from __future__ import annotations

from penstock.servers.child.options import ChildOptions


class TritonOptions(ChildOptions):
    """How a Triton is started, watched and called."""
