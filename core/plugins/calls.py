"""Typed calls of the hooks of one plug-in; pluggy alone returns Any."""

from __future__ import annotations

from collections.abc import Mapping

import pluggy

from penstock.core.config import Config
from penstock.core.contracts.control import WatchEvent
from penstock.core.plugins import specification
from penstock.core.plugins.kinds import Kind
from penstock.core.plugins.names import CONFIG_HOOK, ENTRY_POINT_GROUP


class HookCalls:
    """Calls the hooks of one plug-in. What it raises passes through.

    Each plug-in has a manager of pluggy to itself: the results and errors of one that all share
    do not say whose they are.
    """

    def __init__(self, plugin: object) -> None:
        self._manager = pluggy.PluginManager(ENTRY_POINT_GROUP)
        self._manager.add_hookspecs(specification)
        self._manager.register(plugin)

    def config_schema(self) -> object:
        """What ``penstock_register_config`` returns; None without the hook."""
        return self._call(CONFIG_HOOK)

    def registrations(self, kind: Kind) -> object:
        """What the hook of ``kind`` returns; None without the hook."""
        return self._call(kind.hook)

    def started(self, config: Config, addresses: Mapping[str, str]) -> None:
        """Say that the process serves."""
        self._call("penstock_started", config=config, addresses=addresses)

    def resource_changed(self, event: WatchEvent) -> None:
        """Tell of a change."""
        self._call("penstock_resource_changed", event=event)

    def stopping(self) -> None:
        """Say that the process is about to stop."""
        self._call("penstock_stopping")

    def _call(self, hook: str, **arguments: object) -> object:
        results: list[object] = getattr(self._manager.hook, hook)(**arguments)
        return results[0] if results else None
