"""Who is waited for before something is taken away, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from harness.instances import Inline
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.forwarder import Forwarded
from penstock.core.contracts.model import CopyPlace
from penstock.core.errors import InvalidRequestError, OverloadedError
from penstock.core.experiments.reports import Report
from penstock.core.experiments.tally import ArmKey, Tallies
from penstock.core.fleet import balanced
from penstock.core.routing import book as module
from penstock.core.routing.book import HEARTBEAT_S, RouteBook
from penstock.core.routing.route import (
    Acknowledgement,
    Copies,
    Gone,
    InUse,
    NotReady,
    Route,
    RouteKey,
    Update,
)
from penstock.core.routing.subscriber import GRACE_MS, SILENT_MS

COPIES = RouteKey("copies", "m")


class Gateway:
    """One that says what the test has it say."""

    def __init__(self, book: RouteBook, name: str = "one") -> None:
        self.name = name
        self._said: asyncio.Queue[Acknowledgement] = asyncio.Queue()
        self.updates: asyncio.Queue[Update] = asyncio.Queue()
        self.say(Acknowledgement(name, "", 0))
        self.task = asyncio.create_task(self._follow(book))

    def say(self, said: Acknowledgement) -> None:
        self._said.put_nowait(said)

    async def takes_up(self, *in_use: InUse) -> Update:
        """Hear the next update, and say that everything in it is taken up."""
        update = await self.updates.get()
        self.say(Acknowledgement(self.name, update.epoch, update.revision, in_use))
        return update

    async def breaks(self) -> None:
        """Its connection ends."""
        self.task.cancel()
        await asyncio.wait([self.task])

    async def _follow(self, book: RouteBook) -> None:
        async for update in book.follow(self._acknowledgements()):
            self.updates.put_nowait(update)

    async def _acknowledgements(self) -> AsyncIterator[Acknowledgement]:
        while True:
            yield await self._said.get()


def model() -> Inline:
    return Inline(lambda call: call.tensors)


def with_book(test: Callable[[RouteBook, VirtualClock], Coroutine[Any, Any, None]]) -> None:
    async def main(clock: VirtualClock) -> None:
        await test(RouteBook("epoch", clock), clock)

    in_virtual_time(main)


def test_who_follows_is_told_everything_and_then_what_changes() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        first = model()
        book.publish("m", 1, first)
        gateway = Gateway(book)
        update = await gateway.takes_up()
        places = (CopyPlace("", "m.model", "1"),)
        assert update == Update(
            "epoch", 1, (Route(COPIES, 1, Copies(1, None, places)),), whole=True, settled=False
        )
        book.withdraw("m", "it is gone")
        book.withdraw("p.pipeline", "that is no model")
        book.forget("m")
        book.settle()
        assert await gateway.takes_up() == Update(
            "epoch", 3, (Gone(COPIES, 3),), whole=False, settled=True
        )
        await gateway.breaks()

    with_book(main)


def test_what_gateways_have_counted_is_added_up() -> None:
    async def main(clock: VirtualClock) -> None:
        sent = Tallies()
        book = RouteBook("epoch", clock)
        gateways = [Gateway(book, "one"), Gateway(book, "two")]
        for gateway in gateways:
            await gateway.takes_up()
            sent.count(Forwarded("e", 1, "new", True, 1.0))
            gateway.say(Acknowledgement(gateway.name, "epoch", 0, report=Report(1, sent.take())))
        await asyncio.sleep(0.1)
        assert book.reports.tallies.of(ArmKey("e", 1, "new")).failures == 2
        for gateway in gateways:
            await gateway.breaks()

    in_virtual_time(main)


def test_why_not_everything_is_in_force_at_a_gateway_is_known_until_it_is() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        proxy, gateway = Gateway(book, "a proxy"), Gateway(book, "another")
        for each in (proxy, gateway):
            await each.takes_up()
        proxy.say(Acknowledgement("a proxy", "epoch", 0, trouble="it refused a change"))
        await asyncio.sleep(0.1)
        assert book.troubles() == ["a proxy: it refused a change"]
        proxy.say(Acknowledgement("a proxy", "epoch", 0))
        await asyncio.sleep(0.1)
        assert book.troubles() == []
        for each in (proxy, gateway):
            await each.breaks()

    with_book(main)


def test_changes_of_one_route_are_told_as_one() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        gateway = Gateway(book)
        await gateway.takes_up()
        book.publish("m", 1, model())
        book.publish("m", 2, model())
        book.withdraw("m", "it is gone")
        update = await gateway.takes_up()
        assert update.routes == (Route(COPIES, 3, NotReady(0, "it is gone")),)
        await gateway.breaks()

    with_book(main)


def test_copies_say_where_they_are_and_own_ones_stand_for_all() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        copies = [model() for _ in range(4)]
        copies[1].place = CopyPlace("grpc://far:1", "m_1")
        copies[3].place = CopyPlace("grpc://far:2", "m_1")
        book.publish("m", 1, balanced(copies))
        gateway = Gateway(book)
        [route] = (await gateway.takes_up()).routes
        assert isinstance(route, Route)
        assert isinstance(route.body, Copies)
        assert route.body.places == (
            CopyPlace("", "m.model", "1"),
            CopyPlace("grpc://far:1", "m_1"),
            CopyPlace("grpc://far:2", "m_1"),
        )
        await gateway.breaks()

    with_book(main)


def test_a_gateway_is_waited_for_until_it_has_switched_and_is_done() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        old = model()
        book.publish("m", 1, old)
        gateway = Gateway(book)
        await gateway.takes_up()
        book.publish("m", 2, model())
        waiting = asyncio.create_task(book.given_up(old))
        await asyncio.sleep(0)
        assert not waiting.done()
        await gateway.takes_up(InUse(COPIES, 1, 1))
        await asyncio.sleep(0.1)
        assert not waiting.done(), "it has calls under way"
        gateway.say(Acknowledgement("one", "epoch", 2))
        await waiting
        assert clock.now_ms() < HEARTBEAT_S * 1000.0, "nobody was waited for any longer"
        await gateway.breaks()

    with_book(main)


def test_what_is_said_of_another_process_of_the_scheduler_means_nothing() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        old = model()
        book.publish("m", 1, old)
        gateway = Gateway(book)
        await gateway.updates.get()
        book.publish("m", 2, model())
        waiting = asyncio.create_task(book.given_up(old))
        gateway.say(Acknowledgement("one", "another", 99))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await gateway.takes_up()
        await waiting
        await gateway.breaks()

    with_book(main)


def test_what_was_never_published_or_serves_is_not_waited_for() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        gateway = Gateway(book)
        await gateway.updates.get()
        serving = model()
        book.publish("m", 1, serving)
        await book.given_up(model())
        await book.given_up(serving)
        await gateway.breaks()

    with_book(main)


def test_a_gateway_that_is_silent_is_waited_for_up_to_a_bound() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        gateway = Gateway(book)
        await gateway.takes_up()
        await asyncio.sleep(0.0)
        book.set_not_ready("pipeline", "p", 1, "it is gone")
        began_ms = clock.now_ms()
        await book.finished("pipeline", "p", 1)
        assert clock.now_ms() - began_ms == pytest.approx(SILENT_MS)
        await gateway.breaks()

    with_book(main)


def test_a_gateway_whose_connection_broke_may_come_back_for_a_while() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        gateway = Gateway(book)
        await gateway.takes_up()
        await gateway.breaks()
        book.set_not_ready("pipeline", "p", 1, "it is gone")
        began_ms = clock.now_ms()
        await book.finished("pipeline", "p", 1)
        assert clock.now_ms() - began_ms == pytest.approx(GRACE_MS)
        await book.finished("pipeline", "p", 1)
        assert clock.now_ms() - began_ms == pytest.approx(GRACE_MS), "it is forgotten"

        again = Gateway(book)
        await again.takes_up()
        await again.breaks()
        once_more = Gateway(book)
        await once_more.takes_up()
        began_ms = clock.now_ms()
        await book.finished("pipeline", "p", 1)
        assert clock.now_ms() - began_ms < GRACE_MS, "it has come back, and knows of it"
        await once_more.breaks()

    with_book(main)


def test_who_followed_an_earlier_process_may_come_back_for_a_while() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        book.succeed()
        old = model()
        book.publish("m", 1, old)
        book.publish("m", 2, model())
        await book.taken_up()
        assert clock.now_ms() == 0.0, "what is published is in force at those that are there"
        waiting = asyncio.create_task(book.given_up(old))
        await asyncio.sleep(GRACE_MS / 2000.0)
        gateway = Gateway(book)
        await gateway.updates.get()
        await asyncio.sleep(GRACE_MS / 1000.0)
        assert not waiting.done(), "it has come back, and does not know of it yet"
        gateway.say(Acknowledgement("one", "epoch", 2))
        await waiting
        await gateway.breaks()

    with_book(main)


def test_nobody_that_followed_an_earlier_process_is_waited_for_longer() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        book.succeed()
        old = model()
        book.publish("m", 1, old)
        book.withdraw("m", "it is gone")
        await book.given_up(old)
        assert clock.now_ms() == pytest.approx(GRACE_MS)
        await book.finished("pipeline", "p", 1)
        assert clock.now_ms() == pytest.approx(GRACE_MS)

    with_book(main)


def test_a_gateway_that_says_that_it_goes_is_gone() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        gateway = Gateway(book)
        await gateway.takes_up()
        book.set_not_ready("pipeline", "p", 1, "it is gone")
        waiting = asyncio.create_task(book.finished("pipeline", "p", 1))
        gateway.say(Acknowledgement("one", "epoch", 0, leaving=True))
        await waiting
        assert clock.now_ms() == 0.0
        await gateway.breaks()

    with_book(main)


def test_something_is_said_although_nothing_changes() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        gateway = Gateway(book)
        await gateway.updates.get()
        for beat in (1, 2, 3):
            update = await gateway.updates.get()
            assert update == Update("epoch", 0, (), whole=False, settled=False)
            assert clock.now_ms() == pytest.approx(beat * HEARTBEAT_S * 1000.0)
        await gateway.breaks()

    with_book(main)


def test_who_does_not_say_who_it_is_is_refused() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        nameless = Gateway(book, "")
        with pytest.raises(InvalidRequestError, match="says which process it is"):
            await nameless.task

    with_book(main)


def test_no_more_than_so_many_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_GATEWAYS", 1)

    async def main(book: RouteBook, clock: VirtualClock) -> None:
        one = Gateway(book)
        await one.updates.get()
        with pytest.raises(OverloadedError, match="1 gateways follow already"):
            await Gateway(book, "another").task
        await one.breaks()
        clock.advance(GRACE_MS)
        another = Gateway(book, "another")
        await another.updates.get()
        await another.breaks()

    with_book(main)


def test_what_is_published_is_taken_up_when_all_that_count_have_said_so() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        await book.taken_up()  # nobody follows
        quick, slow = Gateway(book, "quick"), Gateway(book, "slow")
        for gateway in (quick, slow):
            await gateway.takes_up()
        book.publish("m", 1, model())
        waiting = asyncio.create_task(book.taken_up())
        await quick.takes_up()
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await slow.takes_up()
        await waiting
        book.withdraw("m", "it is gone")
        waiting = asyncio.create_task(book.taken_up())
        await quick.takes_up()
        await slow.breaks()
        await asyncio.sleep(GRACE_MS / 1000.0 - 0.01)
        assert not waiting.done()
        await waiting  # who is gone for good is waited for no longer
        await quick.breaks()

    with_book(main)
