"""The book of routes: what a process serves, kept for gateways that follow it.

The gateways of the process say what changes; those elsewhere are told, and say in turn what they
have taken up and what they are still at work on. Who is about to unload something waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from penstock.core.clock import Clock
from penstock.core.contracts.gateway import TargetKind
from penstock.core.contracts.model import CopyPlace, ModelInstance
from penstock.core.errors import InvalidRequestError, OverloadedError
from penstock.core.experiments.in_force import InForce
from penstock.core.experiments.reports import HeardReports
from penstock.core.fleet import copies_of
from penstock.core.plan import Plan
from penstock.core.routing.route import (
    Acknowledgement,
    Copies,
    Door,
    Gone,
    NotReady,
    Route,
    RouteBody,
    RouteKey,
    ServedExperiment,
    ServedModel,
    ServedPipeline,
    Update,
)
from penstock.core.routing.subscriber import GRACE_MS, Subscriber
from penstock.core.signature import Signature

ON_THE_WAY_S: Final = 0.1
"""After who sends requests has said that it sends no more, some may still be on the way."""

HEARTBEAT_S: Final = 2.0
"""How often a gateway is told something, if only that nothing has changed."""

MOST_GATEWAYS: Final = 1_000
"""How many may follow one scheduler."""


class RouteBook:
    """All routes of one process, ``epoch``, and who follows them. Used on one event loop.

    Changes take revisions that grow by one.
    """

    def __init__(self, epoch: str, clock: Clock) -> None:
        self.reports = HeardReports()
        """What becomes of requests of experiments at those that follow, in its ``tallies`` beside
        those of this process."""
        self._epoch = epoch
        self._now_ms = clock.now_ms
        self._revision = 0
        self._settled = False
        self._routes: dict[RouteKey, Route] = {}
        self._published: dict[ModelInstance, Route] = {}
        """The routes of instances that were not given up yet."""
        self._subscribers: dict[str, Subscriber] = {}
        self._news = asyncio.Event()
        self._tended_ms = self._now_ms()
        self._strangers_until_ms = self._now_ms()

    # What the gateways of this process say

    def publish(self, name: str, version: int, instance: ModelInstance) -> None:
        """Calls of a model go to ``instance`` from now on."""
        places = dict.fromkeys(
            each.place or own_place(name, version) for each in copies_of(instance)
        )
        body = Copies(version, instance.signature, tuple(places))
        self._published[instance] = self._put(RouteKey("copies", name), body)

    def withdraw(self, name: str, reason: str) -> None:
        """Nothing serves calls of a model any more. Other names are no models."""
        key = RouteKey("copies", name)
        if key in self._routes:
            self._put(key, NotReady(0, reason))

    def forget(self, name: str) -> None:
        """Nothing calls a model any more."""
        self._drop(RouteKey("copies", name))

    def serve(self, kind: TargetKind, plan: Plan, signature: Signature | None) -> None:
        """A version takes requests from now on."""
        body: RouteBody = ServedModel(plan.version, signature)
        if plan.pipeline is not None:
            body = ServedPipeline(
                plan.version,
                signature,
                plan.pipeline,
                plan.record,
                plan.read,
                plan.partitions,
                plan.matched,
            )
        self._put(RouteKey(kind, plan.name), body)

    def split(self, experiment: InForce) -> None:
        """Requests to an experiment are split so from now on."""
        manifest, version, weights = experiment
        body = ServedExperiment(version, manifest, tuple(weights))
        self._put(RouteKey("experiment", manifest.name), body)

    def set_not_ready(self, kind: TargetKind, name: str, version: int, reason: str) -> None:
        """Nothing takes requests under the name."""
        self._put(RouteKey(kind, name), NotReady(version, reason))

    def remove(self, kind: TargetKind, name: str) -> None:
        """The name is gone."""
        self._drop(RouteKey(kind, name))

    def open_door(self, name: str, door: Door) -> None:
        """Requests to any name may be sent there from now on."""
        self._put(RouteKey("door", name), door)

    async def close_door(self, name: str) -> None:
        """Send no requests there any more; returns when all who count have taken that up, and the
        last have come."""
        self._drop(RouteKey("door", name))
        if self._counting():
            await self.taken_up()
            await asyncio.sleep(ON_THE_WAY_S)

    def succeed(self) -> None:
        """An earlier process may have been followed: who did, and has not come back by now, calls
        what that one told of, and is waited for as one whose connection broke now."""
        self._strangers_until_ms = self._now_ms() + GRACE_MS

    def settle(self) -> None:
        """What is not there by now, or is not ready, is so: gateways need keep nothing else."""
        self._settled = True
        for subscriber in self._subscribers.values():
            subscriber.wake.set()

    # What those wait for who take something away

    async def given_up(self, instance: ModelInstance) -> None:
        """Return when no gateway calls an instance that was replaced or withdrawn."""
        route = self._published.get(instance)
        if route is None or self._routes.get(route.key) is route:
            return
        await self._done_with(route.key, lambda version, revision: revision == route.revision)
        self._published.pop(instance, None)

    async def finished(self, kind: TargetKind, name: str, version: int) -> None:
        """Return when no gateway has requests under way on a version that was replaced."""
        await self._done_with(RouteKey(kind, name), lambda other, revision: other == version)

    async def _done_with(self, key: RouteKey, meant: Callable[[int, int], bool]) -> None:
        """Wait until every gateway that counts knows of now, and has nothing under way on routes
        of ``key`` with a version and a revision that are ``meant``."""
        revision = self._revision
        await self._strangers_are_back()

        def holds(subscriber: Subscriber) -> bool:
            return subscriber.seen < revision or any(
                used.key == key and meant(used.version, used.revision) for used in subscriber.in_use
            )

        await self._until_none(holds)

    async def taken_up(self) -> None:
        """Return when every gateway that counts has taken up what is published now."""
        revision = self._revision
        await self._until_none(lambda subscriber: subscriber.seen < revision)

    async def _until_none(self, holds: Callable[[Subscriber], bool]) -> None:
        """Wait until no gateway that counts is one that ``holds`` us up."""
        while blocking := [each for each in self._counting() if holds(each)]:
            until_ms = min(each.counts_until_ms for each in blocking)
            news = self._news
            with suppress(TimeoutError):
                async with asyncio.timeout((until_ms - self._now_ms()) / 1000.0):
                    await news.wait()

    async def _strangers_are_back(self) -> None:
        """Wait until all have had time to come that followed an earlier process."""
        missing_ms = self._strangers_until_ms - self._now_ms()
        if missing_ms > 0.0:
            await asyncio.sleep(missing_ms / 1000.0)

    def troubles(self) -> list[str]:
        """Of those that follow, why not everything is in force there: a sentence each."""
        counting = self._counting()
        return [f"{each.gateway}: {each.trouble}" for each in counting if each.trouble]

    # Who follows

    async def follow(self, said: AsyncIterator[Acknowledgement]) -> AsyncGenerator[Update]:
        """All routes, then every change, to a gateway that answers with what it ``said``.

        Ends when what it says ends. Raises InvalidRequestError when it says nothing at first,
        OverloadedError when too many follow.
        """
        hello = await anext(said, None)
        if hello is None or not hello.gateway:
            raise InvalidRequestError("the first message of a gateway says which process it is")
        subscriber = self._admit(hello)
        hearing = asyncio.ensure_future(self._hear(said, subscriber))
        try:
            yield self._whole(subscriber)
            while await _woken(subscriber.wake, hearing):
                subscriber.wake.clear()
                self._tend_doors()
                yield self._news_for(subscriber)
            hearing.result()
        finally:
            tasks = [hearing, *subscriber.farewells]
            for each in tasks:
                each.cancel()
            await asyncio.wait(tasks)
            self._part(subscriber)

    def _admit(self, hello: Acknowledgement) -> Subscriber:
        self._counting()
        before = self._subscribers.get(hello.gateway)
        if before is None and len(self._subscribers) >= MOST_GATEWAYS:
            raise OverloadedError(f"{MOST_GATEWAYS} gateways follow already, and no more are taken")
        subscriber = Subscriber(hello.gateway, self._now_ms())
        subscriber.hear(hello, self._epoch, self._now_ms())
        self.reports.hear(hello.gateway, hello.report)
        self._subscribers[hello.gateway] = subscriber
        self._tend_door(subscriber)
        return subscriber

    async def _hear(
        self, acknowledgements: AsyncIterator[Acknowledgement], subscriber: Subscriber
    ) -> None:
        async for said in acknowledgements:
            subscriber.hear(said, self._epoch, self._now_ms())
            self.reports.hear(said.gateway, said.report)
            if said.leaving and self._subscribers.get(subscriber.gateway) is subscriber:
                del self._subscribers[subscriber.gateway]
                self._drop(RouteKey("door", subscriber.gateway))
            else:
                self._tend_door(subscriber)
            self._tell()

    def _part(self, subscriber: Subscriber) -> None:
        """A stream has ended, and its gateway may come back."""
        subscriber.gone_ms = self._now_ms()
        self._tell()

    def _tend_doors(self) -> None:
        """Have no requests sent to those that count no more; looked at in time with the
        heartbeats, however many gateways there are."""
        now_ms = self._now_ms()
        if now_ms >= self._tended_ms + HEARTBEAT_S * 1000.0:
            self._tended_ms = now_ms
            counting = {each.gateway for each in self._counting()}
            for each in self._subscribers:
                if each not in counting:
                    self._drop(RouteKey("door", each))

    def _tend_door(self, subscriber: Subscriber) -> None:
        """Have requests sent to one that says where, and not to one that says so no more."""
        key = RouteKey("door", subscriber.gateway)
        known = self._routes.get(key)
        if subscriber.door is None:
            self._see_off(subscriber, known)
        elif known is None or known.body != subscriber.door:
            self._put(key, subscriber.door)

    def _see_off(self, subscriber: Subscriber, door: Route | None) -> None:
        """A gateway is about to stop. It hears that its door is closed when all others have."""
        if door is None:
            return
        self._drop(door.key)
        subscriber.changed.pop(door.key, None)
        revision = self._revision

        async def farewell() -> None:
            await self._until_none(lambda each: each is not subscriber and each.seen < revision)
            subscriber.note(door.key)

        subscriber.farewells.append(asyncio.create_task(farewell()))

    def _whole(self, subscriber: Subscriber) -> Update:
        subscriber.changed.clear()
        routes = tuple(self._routes.values())
        return self._update(subscriber, routes, whole=True)

    def _news_for(self, subscriber: Subscriber) -> Update:
        keys = subscriber.take_changed()
        routes = [self._routes.get(key) or Gone(key, self._revision) for key in keys]
        return self._update(subscriber, tuple(routes), whole=False)

    def _update(
        self, subscriber: Subscriber, routes: tuple[Route | Gone, ...], *, whole: bool
    ) -> Update:
        kept = self.reports.kept(subscriber.gateway)
        return Update(self._epoch, self._revision, routes, whole, self._settled, kept)

    def _counting(self) -> list[Subscriber]:
        """Those that are waited for. Those that are gone for good are forgotten."""
        now_ms = self._now_ms()
        for each in list(self._subscribers.values()):
            if each.gone_ms is not None and each.counts_until_ms <= now_ms:
                del self._subscribers[each.gateway]
                self._drop(RouteKey("door", each.gateway))
        return [each for each in self._subscribers.values() if each.counts_until_ms > now_ms]

    # Changes

    def _put(self, key: RouteKey, body: RouteBody) -> Route:
        self._revision += 1
        route = self._routes[key] = Route(key, self._revision, body)
        self._note(key)
        return route

    def _drop(self, key: RouteKey) -> None:
        if self._routes.pop(key, None) is not None:
            self._revision += 1
            self._note(key)

    def _note(self, key: RouteKey) -> None:
        for subscriber in self._subscribers.values():
            subscriber.note(key)

    def _tell(self) -> None:
        """Whoever waits for gateways looks again."""
        self._news.set()
        self._news = asyncio.Event()


def own_place(name: str, version: int) -> CopyPlace:
    """Where gateways call a copy that nobody but this process can: in this process."""
    return CopyPlace("", f"{name}.model", str(version))


async def _woken(wake: asyncio.Event, hearing: asyncio.Future[None]) -> bool:
    """Wait for something to say, or for the time to say that there is nothing; False when nobody
    listens any more."""
    waking = asyncio.ensure_future(wake.wait())
    try:
        await asyncio.wait(
            (waking, hearing), timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        waking.cancel()
    return not hearing.done()
