"""The forwarder ``envoy``: one address for REST and one for gRPC, behind which Envoy forwards."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.forwarder import (
    Change,
    EndpointStanding,
    Forwarder,
    ForwarderContext,
    ForwarderStatus,
)
from penstock.core.errors import ConflictError, NotReadyError, PenstockError, UnsupportedError
from penstock.core.free_ports import free_ports
from penstock.transports.envoy.balancing import balancing
from penstock.transports.envoy.book import Book
from penstock.transports.envoy.clusters import ClusterMaker, Protocol
from penstock.transports.envoy.configuration import Configuration
from penstock.transports.envoy.control_plane import ControlPlane
from penstock.transports.envoy.envoy import Envoy, ExternalEnvoy, OwnEnvoy
from penstock.transports.envoy.leaving import Leaving
from penstock.transports.envoy.listeners import listener
from penstock.transports.envoy.options import EnvoyOptions
from penstock.transports.envoy.routes import RouteMaker
from penstock.transports.envoy.standing import Standings, standing_of, standings_of

TAKEN_S: Final = 10.0
"""How long a change is waited for; Envoy waits for new endpoints that do not answer."""

FIRST_LOOK_S: Final = 0.02
LONGEST_LOOK_S: Final = 0.5
"""Between two looks at what is under way; Envoy does not say by itself when it has ended."""

LOOK_S: Final = 1.0
"""Between two looks at the endpoints, while nobody asks how they stand."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Running:
    """What there is from start to stop."""

    context: ForwarderContext
    book: Book
    leaving: Leaving
    control_plane: ControlPlane
    envoy: Envoy
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)


class EnvoyForwarder(Forwarder):
    """Has Envoy forward, and tells it everything over xDS."""

    def __init__(self, options: EnvoyOptions, clock: Clock | None = None) -> None:
        self._options = options
        self._clock = SystemClock() if clock is None else clock
        self._configuration = Configuration()
        self._changing = asyncio.Lock()
        self._unsettled: set[tuple[str, str]] = set()
        self._standings: Standings = {}
        self._run: Running | None = None

    @property
    def pid(self) -> int | None:
        """The number of Envoy's process, None when none of ours runs."""
        return None if self._run is None else self._run.envoy.pid

    async def start(self, context: ForwarderContext) -> Mapping[str, str]:
        if context.tls is not None:
            raise UnsupportedError(
                "the forwarder 'envoy' speaks no TLS with callers yet; write proxy.kind: embedded, "
                "or take proxy.listenTls out and have something before it speak TLS"
            )
        ports = _ports(context)
        run = self._run = self._prepared(context, ports)
        try:
            self._configuration.offer(run.book.resources())
            await run.control_plane.start(run.envoy.control_plane)
            await run.envoy.start()
            if not self._options.external:
                await self._until_listening()
        except BaseException:
            await self.stop()
            raise
        run.tasks.append(asyncio.create_task(self._look_at_what_is_left(run), name="left"))
        run.tasks.append(asyncio.create_task(self._look_at_endpoints(run), name="endpoints"))
        schemes = {"rest": "http://", "grpc": ""}
        return {p: f"{schemes[p]}{_in_url(context.host)}:{port}" for p, port in ports.items()}

    async def apply(self, change: Change) -> None:
        run = self._running()
        async with self._changing:
            before = tuple(_clusters_in_use(run.book, change))
            run.book.change(change)
            for name, cluster in before:
                if not run.book.is_named(name) or run.book.cluster_of(name) != cluster:
                    self._unsettled.add((name, cluster))
            if run.book.problem:
                self._configuration.refuse(run.book.problem)
                return
            self._sweep(run)
            await self._put_into_force(run)

    def status(self) -> ForwarderStatus:
        run = self._running()
        run.asked.set()
        configuration = self._configuration
        away = run.envoy.away(followed=configuration.followed)
        refused = configuration.refused
        if not refused and not away and not configuration.taken:
            refused = "Envoy has not taken up the latest change yet"
        return ForwarderStatus(refused, away, tuple(self._endpoints(run.book)))

    def in_use(self, destination: str) -> bool:
        unsettled = any(name == destination for name, _ in self._unsettled)
        return unsettled or destination in self._running().leaving

    async def drain(self) -> None:
        run = self._running()
        admin = run.envoy.admin
        if self._options.external or admin is None:
            return  # it goes on without us
        with suppress(NotReadyError, TimeoutError):  # it has ended, or its time is over
            async with asyncio.timeout(run.context.drain_ms / 1000.0):
                await admin.drain()
                await _until_idle(run)

    async def stop(self) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        for task in run.tasks:
            task.cancel()
        if run.tasks:
            await asyncio.wait(run.tasks)
        await run.envoy.stop()
        await run.control_plane.stop()

    def _prepared(self, context: ForwarderContext, ports: Mapping[Protocol, int]) -> Running:
        how = balancing(context.policy)
        listeners = {each: listener(each, port, context) for each, port in ports.items()}
        envoy: Envoy
        if self._options.external:
            envoy = ExternalEnvoy(self._options, context)
        else:
            envoy = OwnEnvoy(self._options, self._clock)
        return Running(
            context,
            Book(ClusterMaker(context, how), RouteMaker(context, how), listeners),
            Leaving(context.policy.timeout_ms),
            ControlPlane(self._configuration, context.count),
            envoy,
        )

    def _running(self) -> Running:
        assert self._run is not None, "it was started"
        return self._run

    async def _until_listening(self) -> None:
        await self._until_taken()
        if self._configuration.refused:
            raise ConflictError(
                f"{self._configuration.refused}; stop what listens at the port, or choose another"
            )
        if not self._configuration.taken:
            raise NotReadyError(f"Envoy does not listen after {TAKEN_S:g} s; its log may say why")

    async def _until_taken(self) -> None:
        if self._options.external and not self._configuration.followed:
            return  # whenever it comes, it is told
        with suppress(TimeoutError):  # the status says it
            async with asyncio.timeout(TAKEN_S):
                await self._configuration.until_taken()

    async def _put_into_force(self, run: Running) -> None:
        self._configuration.offer(run.book.resources())
        await self._until_taken()
        if self._in_force:
            self._settle(run)

    @property
    def _in_force(self) -> bool:
        return self._configuration.taken and not self._configuration.refused

    def _sweep(self, run: Running) -> bool:
        """Whether clusters went that nobody needs."""
        return run.book.sweep(run.leaving.clusters | {cluster for _, cluster in self._unsettled})

    def _settle(self, run: Running) -> None:
        """What is in force sends no requests any more to what was left before."""
        for name, cluster in self._unsettled:
            run.leaving.leave(name, cluster, self._clock.now_ms())
        self._unsettled.clear()
        if run.leaving:
            run.left.set()

    async def _look_at_what_is_left(self, run: Running) -> None:
        while True:
            await run.left.wait()
            run.left.clear()
            pause_s = FIRST_LOOK_S
            while run.leaving:
                await asyncio.sleep(pause_s)
                pause_s = FIRST_LOOK_S if run.left.is_set() else min(2 * pause_s, LONGEST_LOOK_S)
                run.left.clear()
                under_way = await _under_way(run)
                run.leaving.seen(under_way, self._clock.now_ms())
                held_up = self._held_up(run) & {key for key, count in under_way.items() if count}
                if held_up:
                    await self._renew(run, held_up)
            async with self._changing:
                if self._sweep(run):
                    self._configuration.offer(run.book.resources())

    def _held_up(self, run: Running) -> set[str]:
        """Clusters that others have to leave, for somebody waits for them to be idle."""
        left = run.leaving.held_up(self._clock.now_ms())
        clusters = {cluster for name, cluster in left if not run.book.is_named(name)}
        return {each for each in clusters if run.book.can_renew(each, run.leaving.clusters)}

    async def _renew(self, run: Running, clusters: set[str]) -> None:
        """Who keeps these clusters busy goes on in new ones."""
        async with self._changing:
            if not self._in_force:
                return
            for cluster in clusters & self._held_up(run):
                self._unsettled |= {(name, cluster) for name in run.book.renew(cluster)}
            await self._put_into_force(run)

    async def _look_at_endpoints(self, run: Running) -> None:
        admin = run.envoy.admin
        while admin is not None:
            run.asked.clear()
            with suppress(PenstockError):  # it stands as it was seen last
                self._standings = standings_of(await admin.clusters())
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await run.asked.wait()

    def _endpoints(self, book: Book) -> Iterator[EndpointStanding]:
        for name, destination in book.destinations():
            cluster = book.cluster_of(name)
            for endpoint in destination.endpoints:
                standing = standing_of(self._standings, str(cluster), endpoint)
                yield EndpointStanding(name, endpoint, standing.health, standing.why)


def _ports(context: ForwarderContext) -> Mapping[Protocol, int]:
    free = free_ports(2)
    wanted: Mapping[Protocol, int | None] = {"rest": context.rest_port, "grpc": context.grpc_port}
    return {
        protocol: port or other
        for (protocol, port), other in zip(wanted.items(), free, strict=True)
        if port is not None
    }


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _clusters_in_use(book: Book, change: Change) -> Iterator[tuple[str, str]]:
    """Destinations that requests are sent to, of all that a change touches, with their clusters."""
    for name in change.destinations.keys() | book.named_in(change.ways):
        cluster = book.cluster_of(name)
        if cluster is not None and book.is_named(name):
            yield name, cluster


async def _under_way(run: Running) -> Mapping[str, int]:
    """Requests under way by cluster, of those that are being left."""
    admin = run.envoy.admin
    counts = dict.fromkeys(run.leaving.clusters, 0)
    if admin is None:
        return {}  # nobody knows; their time has to be over
    keys = "|".join(sorted(counts))
    try:
        gauges = await admin.gauges(
            rf"^cluster\.(rest|grpc)\.({keys})\.upstream_rq_(pending_)?active$"
        )
    except PenstockError:
        return {}
    for name, value in gauges.items():
        counts[name.split(".")[2]] += value
    return counts


async def _until_idle(run: Running) -> None:
    admin = run.envoy.admin
    assert admin is not None, "its own Envoy has one"
    pause_s = FIRST_LOOK_S
    while any((await admin.gauges(r"^http\.(rest|grpc)\.downstream_rq_active$")).values()):
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_LOOK_S)
