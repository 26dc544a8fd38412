"""The plug-in runtime: hook specifications, the manager that assembles plug-ins, registries."""

from penstock.core.plugins.names import API_VERSION, hookimpl

__all__ = ["API_VERSION", "hookimpl"]
