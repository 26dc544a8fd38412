"""Hosts a gateway: what answers requests, and follows a scheduler for what it serves."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from penstock.core.agent.following import dial_of
from penstock.core.agent.own_copies import NearestCopies
from penstock.core.call_counter import CallCounter
from penstock.core.cases import CaseManifest
from penstock.core.client.remote_server import RemoteServer
from penstock.core.client.routes import follow_routes
from penstock.core.clock import Clock, SystemClock
from penstock.core.config import Config
from penstock.core.contracts.gateway import Gateway, Target, TargetKind
from penstock.core.contracts.model import ServerAdapter
from penstock.core.control.background import Background
from penstock.core.errors import NotFoundError, UnsupportedError
from penstock.core.log_ring import LogRing
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plugins.plugins import Plugins
from penstock.core.routing.copy_servers import ADAPTER, CopyServers
from penstock.core.routing.elsewhere import ElsewhereControlPlane
from penstock.core.routing.follower import RouteFollower
from penstock.core.routing.switchboard import Switchboard
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.copies_door import CopiesDoor
from penstock.core.runtime.data_plane import DataPlane
from penstock.core.runtime.doors import door_at
from penstock.core.runtime.hosted_agent import HostedAgent, identity_by
from penstock.core.runtime.hosted_proxy import HostedProxy
from penstock.core.runtime.kept_routes import KeptRoutes
from penstock.core.runtime.parts import Parts, make_parts
from penstock.core.runtime.stream_roles import chosen_roles, stream_roles
from penstock.core.runtime.unless import unless

_log = logging.getLogger(__name__)


class FollowingGateway(PipelineGateway):
    """Ready as soon as it has routes: what one of them lacks is no reason to send nobody here.
    Before that it does not know what there is."""

    def resolve(
        self, name: str, *, kind: TargetKind | None = None, version: str | None = None
    ) -> Target:
        try:
            return super().resolve(name, kind=kind, version=version)
        except NotFoundError:
            if not self._admission.is_open:
                raise self._admission.closed_error() from None
            raise

    def server_ready(self) -> bool:
        return self._admission.is_open


class GatewayProcess:
    """One process. Started once, stopped once; all methods are called on one event loop.

    ``roles`` are the names of those that it has; as an agent it calls its own models without
    leaving the process. Raises InvalidRequestError where the configuration does not say which
    scheduler to follow, UnsupportedError where the transport is not one for its roles.
    """

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        *,
        clock: Clock | None = None,
        logs: LogRing | None = None,
        roles: Collection[str] = ("gateway",),
    ) -> None:
        self._config = config
        self._plugins = plugins
        self._scheduler = config.gateway.scheduler_to_follow("gateway")
        self._background = Background()
        self._closing = Closing()
        clock = clock or SystemClock()
        streams = stream_roles(config, plugins, clock, chosen_roles(roles))
        _check_roles(config.transport.kind, roles, over_streams=streams is not None)
        self._over_streams = streams is not None
        self._data = DataPlane(
            config, clock, self._closing, logs=logs, kind=FollowingGateway, streams=streams
        )
        self._data.choose_with(plugins.routers, plugins.arm_metrics)
        self._kept = KeptRoutes(config.gateway.routes_file)
        self._follower: RouteFollower | None = None
        self._proxy: HostedProxy | None = None
        if "proxy" in roles:
            self._proxy = HostedProxy(
                config,
                plugins,
                self._closing,
                partial(follow_routes, self._scheduler),
                self._scheduler.place,
                self._scheduler.host,
            )
        self._answers = not {"gateway", "pipeline-gateway"}.isdisjoint(roles)
        self._agent: HostedAgent | None = None
        if "agent" in roles:
            self._agent = HostedAgent(config.agent, self._data.clock, self._closing)
            self._copies = CopiesDoor(config, plugins, self._data.clock, self._closing)

    @property
    def gateway(self) -> Gateway:
        """What front ends call."""
        return self._data.gateway

    async def start(self) -> dict[str, str]:
        """Take up the routes that are kept, begin to follow, and listen.

        Comes back with the addresses by front end. Raises PluginsError and whatever else refuses;
        what was started by then is stopped again.
        """
        return await self._closing.starting(self._start())

    async def wait_ready(self, timeout_s: float) -> Sequence[str]:
        """Return when there are routes, or when the time is over, with a sentence then.

        Raises the error with which the scheduler refused the agent of this process.
        """
        assert self._follower is not None, "start() comes first"
        try:
            async with asyncio.timeout(timeout_s):
                if self._agent is not None:
                    await self._agent.taken_in()
                await self._follower.informed.wait()
                if self._proxy is not None:
                    await self._proxy.informed.wait()
        except TimeoutError:
            place = self._scheduler.place
            without = "no routes are kept"
            if self._follower.informed.is_set():
                without = "nothing is loaded here"
            return [f"the scheduler at {place} has not been reached, and {without}"]
        return []

    async def stop(
        self, *, grace_s: float | None = None, forced: asyncio.Event | None = None
    ) -> None:
        """Take in nothing new, finish what is under way, and stop everything; as
        :meth:`penstock.core.runtime.Runtime.stop`. Models of an agent go elsewhere before that."""
        self._plugins.stopping()
        forced = forced or asyncio.Event()
        if grace_s is None:
            grace_s = self._config.defaults.drain_ms / 1000.0
        if self._agent is not None:
            grace_s = await self._agent.leave(grace_s, forced)
        if self._proxy is not None:
            grace_s = await self._proxy.drain(grace_s, forced)
        if self._follower is not None:
            await unless(forced, self._follower.close_door())
        await self._data.drain(grace_s, forced)
        if self._agent is not None:
            await self._copies.drain(grace_s, forced)
        await self._closing.close(forced)
        _log.info("stopped")

    async def _start(self) -> dict[str, str]:
        parts = self._parts()
        followed = await self._data.start(parts)
        servers = await self._begin_servers(parts)
        self._closing.add("the clients of servers", servers.close)
        self._closing.add("the background tasks", self._background.close)
        self._follower = follower = self._make_follower(servers, followed=followed)
        await self._kept.begin(follower, self._background, self._closing)
        self._background.spawn(follower.run(), "following the scheduler")
        self._closing.add("the routes", follower.leave)
        control = ElsewhereControlPlane(self._scheduler.place)
        addresses = await self._data.listen(parts, control, self._manifest)
        self._background.spawn(self._open_when_informed(follower, addresses), "waiting for routes")
        if self._proxy is not None:
            addresses = await self._proxy.start()
        self._plugins.started(self._config, addresses)
        return addresses

    def _parts(self) -> Parts:
        if self._agent is None:
            return make_parts(self._plugins, self._config.scheduler)
        section = self._config.agent
        self._plugins.server_adapters.get(section.server)
        return make_parts(self._plugins, servers=(section.server,), eviction=section.eviction)

    async def _begin_servers(self, parts: Parts) -> CopyServers:
        """Where copies are called, this process among them if it is an agent."""
        here = _inference_at(self._scheduler)
        if self._agent is None:
            return CopyServers(self._make_server, here)
        section = self._config.agent
        await self._agent.start_server(parts, self._data.explainers(self._plugins))
        listens = self._config.grpc.model_copy(update={"port": section.port, "shared_port": False})
        own = await self._copies.open(parts, listens, section.host, guarded=True)
        scheduler = section.scheduler_at(section.scheduler)
        own.count_with(CallCounter(self._data.metrics, self._data.models, self._data.clock))
        self._agent.begin(
            parts,
            own,
            identity_by(section, own.address),
            f"the scheduler at {scheduler.place}",
            dial_of(scheduler),
        )
        self._background.spawn(self._agent.until_dismissed(), "being an agent")
        return NearestCopies(self._make_server, here, own)

    def _make_server(self, options: Mapping[str, Any]) -> ServerAdapter:
        tls = self._config.gateway.tls
        if tls is not None and str(options["address"]).startswith("grpcs:"):
            options = {**options, "tls": tls.model_dump(by_alias=True)}
        adapter = self._plugins.make_with(self._plugins.server_adapters, ADAPTER, options)
        adapter.use_clock(self._data.clock)
        return adapter

    def _make_follower(self, servers: CopyServers, *, followed: bool) -> RouteFollower:
        switchboard = Switchboard(
            self._data.models,
            self._data.gateway,
            servers,
            self._plugins.joins,
            self._data.metrics,
            self._background,
            followed=followed,
            # Requests come by their partitions, each of which has one owner.
            keeps_state=self._over_streams,
        )
        return RouteFollower(
            partial(follow_routes, self._scheduler),
            switchboard,
            gateway=secrets.token_hex(8),
            scheduler=self._scheduler.place,
            keep=self._kept.keep,
            tallies=self._data.tallies,
        )

    async def _open_when_informed(
        self, follower: RouteFollower, addresses: Mapping[str, str]
    ) -> None:
        await follower.informed.wait()
        self._data.gateway.open_intake()
        section = self._config.gateway
        door = door_at(addresses, section.host, section.zone)
        if self._answers and door is not None:
            follower.open_door(door)

    def _manifest(self, kind: str, name: str) -> CaseManifest | None:
        """Who follows a scheduler knows what that serves, and not how it was written; of what it
        has loaded as an agent it knows that."""
        return None if self._agent is None else self._agent.manifest(kind, name)


def _check_roles(kind: str, roles: Collection[str], *, over_streams: bool) -> None:
    if over_streams and "gateway" in roles and "pipeline-gateway" not in roles:
        raise UnsupportedError(
            f"requests to pipelines go over the transport '{kind}', which a gateway does not; "
            "start penstock run pipeline-gateway, and penstock run dataflow to work on them"
        )
    alone = sorted(chosen_roles(roles))
    if alone and not over_streams:
        raise UnsupportedError(
            f"the transport '{kind}' stays within one process, so {' and '.join(alone)} "
            "cannot work together; set transport.kind to kafka, or start penstock run gateway"
        )


def _inference_at(scheduler: RemoteServer) -> str:
    """The address of the copies that are in the scheduler's own process."""
    scheme = "grpc" if scheduler.tls is None else "grpcs"
    return f"{scheme}://{scheduler.place}"
