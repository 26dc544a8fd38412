"""Where others call the copies of an agent that shares its process with other roles."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from penstock.core.agent.own_copies import OwnCopies
from penstock.core.agent.served import ServedCopies
from penstock.core.cases import CaseManifest
from penstock.core.clock import Clock
from penstock.core.config import Config, GrpcSection
from penstock.core.plugins.plugins import Plugins
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.data_plane import DataPlane
from penstock.core.runtime.hosted_agent import called_at
from penstock.core.runtime.parts import Parts


class CopiesDoor:
    """A gRPC address of its own: copies have names there that models of the process may have, too.

    Nobody follows what is called here, nor looks at it; who calls from elsewhere does.
    """

    def __init__(self, config: Config, plugins: Plugins, clock: Clock, closing: Closing) -> None:
        self._plugins = plugins
        self._data = DataPlane(config, clock, closing)

    async def open(
        self, parts: Parts, section: GrpcSection, host: str | None, *, guarded: bool
    ) -> OwnCopies:
        """Listen as the section says; what is to be answered is put into what comes back.

        ``host`` is by what name others reach it, where that is not where it listens. ``guarded``
        callers bring what the configuration asks of them.
        """
        data = self._data
        bare = replace(parts, observers={}, front_ends={})
        await data.start(bare)
        data.gateway.open_intake()
        context = data.context(bare, None, _no_manifest)
        if not guarded:
            context = replace(context, access=None)
        front_ends = {"copies": self._plugins.frontends.make("grpc", section)}
        addresses = await data.listen_with(front_ends, context)
        joins = self._plugins.joins
        served = ServedCopies(
            data.models, data.gateway, data.metrics, joins, data.clock, followed=False
        )
        return OwnCopies(called_at(addresses["copies"], host), served)

    async def drain(self, grace_s: float | None, forced: asyncio.Event) -> None:
        """As :meth:`DataPlane.drain`."""
        await self._data.drain(grace_s, forced)


def _no_manifest(kind: str, name: str) -> CaseManifest | None:
    """Nobody makes cases of what others have called."""
    return None
