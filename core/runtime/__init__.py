"""The runtime: one process with everything in it, from a configuration to served pipelines."""

from penstock.core.runtime.runtime import Runtime
from penstock.core.runtime.serving import host, serve

__all__ = ["Runtime", "host", "serve"]
