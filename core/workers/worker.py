"""Hosts a worker: a gateway and the agent of the server in its process, behind a shared address."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from penstock.core.agent.agent import Identity
from penstock.core.agent.following import dial_of
from penstock.core.agent.own_copies import NearestCopies, OwnCopies
from penstock.core.call_counter import CallCounter
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.client.routes import follow_routes
from penstock.core.clock import Clock, SystemClock
from penstock.core.config import Config
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.contracts.inquiries import Inquiries
from penstock.core.contracts.model import ServerAdapter
from penstock.core.control.background import Background
from penstock.core.identity import Identities
from penstock.core.journal import OwnInquiries
from penstock.core.plugins.plugins import Plugins
from penstock.core.routing.copy_servers import ADAPTER
from penstock.core.routing.follower import RouteFollower
from penstock.core.routing.switchboard import Switchboard
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.copies_door import CopiesDoor
from penstock.core.runtime.data_plane import DataPlane
from penstock.core.runtime.gateway_process import FollowingGateway
from penstock.core.runtime.hosted_agent import HostedAgent
from penstock.core.runtime.parts import Parts, make_parts
from penstock.core.runtime.stream_roles import ALL_STREAM_ROLES, stream_roles
from penstock.core.runtime.unless import unless
from penstock.core.workers.copies import IN_WORKERS
from penstock.core.workers.doors import Doors
from penstock.core.workers.elsewhere import OtherWorkers
from penstock.core.workers.homed_gateway import HomedGateway
from penstock.core.workers.inquiries import InquiriesOverStreams, MergedInquiries, WorkerInquiries
from penstock.core.workers.number import WorkerNumber
from penstock.core.workers.pages import merged_pages

_log = logging.getLogger(__name__)


class Worker:
    """Worker ``number`` of those that ``doors`` are of. Started once, stopped once.

    Its public front ends pass on what is another process's to answer; at its door it answers the
    others, and passes on nothing.
    """

    def __init__(
        self,
        config: Config,
        plugins: Plugins,
        doors: Doors,
        number: int,
        *,
        on_drained: Callable[[], object],
        clock: Clock | None = None,
    ) -> None:
        """``on_drained`` is called when nothing is under way that came in here; others may still
        call the models of this worker then, up to :meth:`release`."""
        self._on_drained = on_drained
        self._released = asyncio.Event()
        self._stopping = False
        self._config = config
        self._plugins = plugins
        self._doors = doors
        self._number = number
        self._clock = clock or SystemClock()
        self._background = Background()
        self._closing = Closing()
        which = WorkerNumber(number, doors.workers)
        self._streams = stream_roles(config, plugins, self._clock, ALL_STREAM_ROLES)
        if self._streams is not None:
            self._streams.transport.use_worker(doors.folder.name, number)
        self._data = DataPlane(
            config,
            self._clock,
            self._closing,
            kind=FollowingGateway,
            worker=which,
            streams=self._streams,
        )
        self._data.choose_with(plugins.routers, plugins.arm_metrics)
        self._copies = CopiesDoor(config, plugins, self._data.clock, self._closing)
        section = config.agent.model_copy(update={"server": IN_WORKERS, "name": None})
        self._agent = HostedAgent(section, self._data.clock, self._closing)
        token = config.scheduler.access.own_token()
        self._scheduler = RemoteServer(doors.scheduler.grpc_target, None, token)

    async def start(self) -> dict[str, str]:
        """Begin to follow the scheduling process, and listen as soon as it has said what is served.

        Comes back with the public addresses. What was started is stopped again when it fails.
        """
        return await self._closing.starting(self._start())

    async def wait_ready(self, timeout_s: float) -> Sequence[str]:
        """It is ready when it has started."""
        return ()

    async def stop(
        self, *, grace_s: float | None = None, forced: asyncio.Event | None = None
    ) -> None:
        """Take in nothing new, finish what is under way, and stop everything once the other workers
        have finished as well."""
        self._stopping = True
        forced = forced or asyncio.Event()
        await self._data.drain(grace_s, forced)
        self._on_drained()
        await unless(forced, self._released.wait())
        await self._copies.drain(grace_s, forced)
        await self._closing.close(forced)

    def release(self) -> None:
        """Nobody needs this worker any more."""
        self._released.set()
        if not self._stopping:
            os.kill(os.getpid(), signal.SIGTERM)

    async def _start(self) -> dict[str, str]:
        eviction = self._config.agent.eviction
        parts = make_parts(self._plugins, servers=(IN_WORKERS,), eviction=eviction)
        followed = await self._data.start(parts)
        self._closing.add("the background tasks", self._background.close)
        own = await self._begin_agent(parts)
        follower = await self._begin_to_follow(own, followed=followed)
        await follower.informed.wait()
        self._data.gateway.open_intake()
        return await self._listen(parts)

    # What it has itself

    async def _begin_agent(self, parts: Parts) -> OwnCopies:
        await self._agent.start_server(parts, self._data.explainers(self._plugins))
        door = self._doors.worker(self._number)
        address = f"unix:{self._doors.copies_of(self._number)}"
        section = door.on(self._config).grpc.model_copy(update={"host": address})
        own = await self._copies.open(parts, section, address, guarded=False)
        own.count_with(CallCounter(self._data.metrics, self._data.models, self._data.clock))
        self._agent.begin(
            parts,
            own,
            Identity(
                IN_WORKERS,
                self._number - 1,
                uuid4().hex,
                f"{door.name}, process {os.getpid()}",
                IN_WORKERS,
                address,
            ),
            self._doors.scheduler.name,
            dial_of(self._scheduler),
        )
        return own

    # What it serves

    async def _begin_to_follow(self, own: OwnCopies, *, followed: bool) -> RouteFollower:
        servers = NearestCopies(self._make_server, self._doors.scheduler.grpc_target, own)
        self._closing.add("the clients of servers", servers.close)
        switchboard = Switchboard(
            self._data.models,
            self._data.gateway,
            servers,
            self._plugins.joins,
            self._data.metrics,
            self._background,
            followed=followed,
            keeps_state=True,
        )
        follower = RouteFollower(
            partial(follow_routes, self._scheduler),
            switchboard,
            gateway=f"worker {self._number}, {secrets.token_hex(8)}",
            scheduler=self._doors.scheduler.name,
            keep=lambda routes: None,
            tallies=self._data.tallies,
        )
        self._background.spawn(follower.run(), "following the scheduling process")
        self._closing.add("the routes", follower.leave)
        return follower

    def _make_server(self, options: Mapping[str, Any]) -> ServerAdapter:
        token = self._config.scheduler.access.token
        if token is not None and options["address"] == self._doors.scheduler.grpc_target:
            options = {**options, "token": token.model_dump(mode="json", exclude_none=True)}
        adapter = self._plugins.make_with(self._plugins.server_adapters, ADAPTER, options)
        adapter.use_clock(self._data.clock)
        return adapter

    async def _listen(self, parts: Parts) -> dict[str, str]:
        context = self._data.context(parts, None, self._agent.manifest)
        assert context.desk is not None, "data planes have desks"
        own = OwnInquiries(context.desk)
        door = self._doors.worker(self._number)
        sections = door.on(self._config)
        at_door = {
            "rest at its door": self._plugins.frontends.make("rest", sections.rest),
            "grpc at its door": self._plugins.frontends.make("grpc", sections.grpc),
        }
        await self._data.listen_with(at_door, replace(context, inquiries=own, access=None))
        public = await self._public(context, parts, own)
        return await self._data.listen_with(parts.front_ends, public)

    async def _public(
        self, context: FrontEndContext, parts: Parts, own: OwnInquiries
    ) -> FrontEndContext:
        homed = None if self._streams is not None else self._homed()
        inquiries: dict[int, Inquiries] = {self._number: own}
        for number in self._doors.numbers:
            if number != self._number:
                inquiries[number] = await self._inquiries_of(number)
        owned = self._streams is not None
        merged: Inquiries = MergedInquiries(inquiries, self._number, owned=owned)
        if context.inquiries is not None and context.desk is not None:
            merged = InquiriesOverStreams(context.inquiries, merged, context.desk)
        return replace(
            context,
            gateway=homed or context.gateway,
            pages={},
            inquiries=merged,
            elsewhere=OtherWorkers(self._doors, self._number, homed),
            merged_pages=merged_pages(parts.observers.values(), self._doors, self._number),
        )

    def _homed(self) -> HomedGateway:
        """The gateway that passes requests on which have to be in another worker. Over streams
        there are none: each partition has its owner, whichever process that is."""
        limits, defaults = self._config.limits, self._config.defaults
        homed = HomedGateway(
            self._data.gateway,
            self._doors,
            self._number,
            Identities(self._clock, secrets.randbits, self._number),
            self._data.metrics.refuse,
            most=limits.in_flight,
            deadline_ms=defaults.deadline_ms,
        )
        self._closing.add("what is passed on", homed.close)
        return homed

    async def _inquiries_of(self, number: int) -> Inquiries:
        client = ControlClient(RemoteServer(self._doors.worker(number).grpc_target))
        await client.__aenter__()
        self._closing.add(f"asking worker {number}", partial(client.__aexit__, None, None, None))
        return WorkerInquiries(client)
