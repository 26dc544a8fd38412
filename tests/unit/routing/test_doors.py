"""Where requests may be sent: who says where, for as long as it counts."""

from __future__ import annotations

import asyncio

from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.routing.book import HEARTBEAT_S, RouteBook
from penstock.core.routing.follower import LEAVING_S
from penstock.core.routing.route import Acknowledgement, Door, Gone, Route, RouteKey, Update
from penstock.core.routing.subscriber import GRACE_MS, SILENT_MS
from unit.routing.test_book import Gateway, with_book
from unit.routing.test_follower import Scheduler, follower_of, whole

DOOR = Door("http://here:1", "grpc://here:2", "a")
KEY = RouteKey("door", "one")


async def routes(gateway: Gateway) -> tuple[Route | Gone, ...]:
    """Those of the next update that has some."""
    while not (update := await gateway.takes_up()).routes:
        pass
    return update.routes


def test_who_says_where_it_answers_is_told_of_until_it_stops() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        proxy, gateway = Gateway(book, "proxy"), Gateway(book)
        await proxy.takes_up()
        gateway.say(Acknowledgement("one", "epoch", 0, door=DOOR))
        assert await routes(proxy) == (Route(KEY, 1, DOOR),)
        gateway.say(Acknowledgement("one", "epoch", 1))
        assert await routes(proxy) == (Gone(KEY, 2),)
        await proxy.breaks()
        await gateway.breaks()

    with_book(main)


def test_a_gateway_that_stops_hears_of_it_when_all_others_have_taken_it_up() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        proxy, gateway = Gateway(book, "proxy"), Gateway(book)
        await proxy.takes_up()
        gateway.say(Acknowledgement("one", "epoch", 0, door=DOOR))
        await routes(proxy)
        await routes(gateway)
        gateway.say(Acknowledgement("one", "epoch", 1))
        update = await proxy.updates.get()
        await asyncio.sleep(3 * HEARTBEAT_S)
        while not gateway.updates.empty():
            assert not gateway.updates.get_nowait().routes
        proxy.say(Acknowledgement("proxy", "epoch", update.revision))
        assert await routes(gateway) == (Gone(KEY, 2),)
        await proxy.breaks()
        await gateway.breaks()

    with_book(main)


def test_one_whose_connection_broke_for_good_is_told_of_no_more() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        proxy, gateway = Gateway(book, "proxy"), Gateway(book)
        await proxy.takes_up()
        gateway.say(Acknowledgement("one", "epoch", 0, door=DOOR))
        await routes(proxy)
        began_ms = clock.now_ms()
        await gateway.breaks()
        assert await routes(proxy) == (Gone(KEY, 2),)
        assert GRACE_MS <= clock.now_ms() - began_ms <= GRACE_MS + 2 * HEARTBEAT_S * 1000.0
        await proxy.breaks()

    with_book(main)


def test_one_that_comes_back_in_time_stays() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        proxy, gateway = Gateway(book, "proxy"), Gateway(book)
        await proxy.takes_up()
        gateway.say(Acknowledgement("one", "epoch", 0, door=DOOR))
        await routes(proxy)
        await gateway.breaks()
        back = Gateway.__new__(Gateway)
        back.name, back._said, back.updates = "one", asyncio.Queue(), asyncio.Queue()
        back.say(Acknowledgement("one", "epoch", 1, door=DOOR))
        back.task = asyncio.create_task(back._follow(book))
        for _ in range(5):
            back.say(Acknowledgement("one", "epoch", 1, door=DOOR))
            assert not (await proxy.takes_up()).routes
        await proxy.breaks()
        await back.breaks()

    with_book(main)


def test_one_that_is_silent_is_told_of_no_more_and_again_when_it_speaks() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        proxy, gateway = Gateway(book, "proxy"), Gateway(book)
        await proxy.takes_up()
        gateway.say(Acknowledgement("one", "epoch", 0, door=DOOR))
        await routes(proxy)
        began_ms = clock.now_ms()
        assert await routes(proxy) == (Gone(KEY, 2),)
        assert clock.now_ms() - began_ms >= SILENT_MS
        gateway.say(Acknowledgement("one", "epoch", 0, door=DOOR))
        assert await routes(proxy) == (Route(KEY, 3, DOOR),)
        await proxy.breaks()
        await gateway.breaks()

    with_book(main)


def test_the_process_of_the_book_has_a_door_as_well() -> None:
    async def main(book: RouteBook, clock: VirtualClock) -> None:
        book.open_door("scheduler", DOOR)
        proxy = Gateway(book, "proxy")
        key = RouteKey("door", "scheduler")
        assert await routes(proxy) == (Route(key, 1, DOOR),)
        closing = asyncio.create_task(book.close_door("scheduler"))
        update = await proxy.updates.get()
        assert update.routes == (Gone(key, 2),)
        assert not closing.done()
        proxy.say(Acknowledgement("proxy", "epoch", update.revision))
        await closing
        await proxy.breaks()

    with_book(main)


def test_a_follower_says_where_it_answers_and_waits_until_nobody_comes() -> None:
    async def main(clock: VirtualClock) -> None:
        scheduler = Scheduler()
        follower = follower_of(scheduler, clock)
        await follower.close_door()  # there is none
        running = asyncio.create_task(follower.run())
        scheduler.updates.put_nowait(whole("first", 7))
        await follower.informed.wait()
        follower.open_door(DOOR)
        await asyncio.sleep(0.01)
        assert scheduler.said[-1] == Acknowledgement("me", "first", 7, door=DOOR)
        closing = asyncio.create_task(follower.close_door())
        await asyncio.sleep(0.01)
        assert scheduler.said[-1] == Acknowledgement("me", "first", 7)
        assert not closing.done()
        gone = (Gone(RouteKey("door", "me"), 8),)
        scheduler.updates.put_nowait(Update("first", 8, gone, whole=False, settled=True))
        await closing
        assert clock.now_ms() < 200.0
        running.cancel()

    in_virtual_time(main)


def test_a_follower_does_not_wait_long_nor_for_a_scheduler_that_is_away() -> None:
    async def main(clock: VirtualClock) -> None:
        scheduler = Scheduler()
        follower = follower_of(scheduler, clock)
        follower.open_door(DOOR)
        await follower.close_door()
        assert clock.now_ms() == 0.0
        running = asyncio.create_task(follower.run())
        scheduler.updates.put_nowait(whole("first", 7))
        await follower.informed.wait()
        follower.open_door(DOOR)
        began_ms = clock.now_ms()
        await follower.close_door()
        assert clock.now_ms() - began_ms == LEAVING_S * 1000.0
        running.cancel()

    in_virtual_time(main)
