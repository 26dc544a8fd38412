"""What people ask about requests, of several workers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import islice
from random import Random

import pytest

from fakes.gateway import FakeGateway
from penstock.core.clock import VirtualClock
from penstock.core.contracts.inquiries import (
    EVERYTHING,
    FROM_NOW_ON,
    Begin,
    Document,
    Inquiries,
    Search,
    Tapped,
)
from penstock.core.errors import NotFoundError, NotReadyError
from penstock.core.identity import Identities
from penstock.core.journal import InquiryDesk
from penstock.core.workers.inquiries import InquiriesOverStreams, MergedInquiries
from penstock.core.workers.number import WorkerNumber

Told = tuple[str, list[str]]


class Worker(Inquiries):
    """A worker that remembers what it is told to; ``away`` when it has just been killed."""

    def __init__(self, number: int, seed: int = 0) -> None:
        self.number = number
        self.clock = VirtualClock(1000.0)
        self._identities = Identities(self.clock, Random(seed).getrandbits, number)
        self.requests: dict[str, Document] = {}
        self.kept: list[int] = []
        self.away = False
        self.records: asyncio.Queue[Tapped] = asyncio.Queue()
        self.followers = 0

    def remember(self, at_ms: float, request_id: str | None = None) -> str:
        identity = self._identities.next(at_ms)
        self.requests[identity] = {
            "id": identity,
            "opened": f"{at_ms:010.0f}",
            "x_request_id": request_id,
        }
        return identity

    def _answers(self) -> None:
        if self.away:
            raise NotReadyError("no server answers")

    async def inspect(self, identity: str) -> Document:
        self._answers()
        for each in (self.requests.get(identity), *self._of_caller(identity)):
            if each is not None:
                others = [other["id"] for other in self._of_caller(identity)[1:]]
                return {**each, "same_x_request_id": others, "asked": self.number}
        raise NotFoundError(f"nothing is known of request '{identity}'")

    def _of_caller(self, request_id: str) -> list[Document]:
        return [
            each
            for each in reversed(list(self.requests.values()))
            if each["x_request_id"] == request_id
        ]

    async def export(self, identity: str) -> bytes:
        return f"{self.number}: {(await self.inspect(identity))['id']}".encode()

    async def find(self, search: Search) -> Sequence[Document]:
        self._answers()
        return list(islice(reversed(self.requests.values()), search.most))

    async def tap(
        self,
        port: str,
        *,
        everything: bool,
        state: str | None,
        most: int,
        begin: Begin = FROM_NOW_ON,
    ) -> AsyncGenerator[Tapped]:
        self._answers()
        if port != "p":
            raise NotFoundError("there is no pipeline of that name")
        return self._tapped()

    async def _tapped(self) -> AsyncGenerator[Tapped]:
        self.followers += 1
        try:
            yield Tapped("open", {"pipeline": "p"})
            while True:
                yield await self.records.get()
        finally:
            self.followers -= 1

    async def letters(self, *, pipeline: str | None = None, most: int = 20) -> Sequence[Document]:
        self._answers()
        return [{"number": number, "at": f"{number:05}"} for number in self.kept[:most]]

    async def letter(self, number: int) -> Document:
        self._answers()
        return {"number": number, "asked": self.number}

    async def send_again(self, number: int) -> str:
        self._answers()
        return f"{self.number} again"


@pytest.fixture
def workers() -> list[Worker]:
    return [Worker(number, seed=number) for number in (1, 2, 3)]


@pytest.fixture
def merged(workers: list[Worker]) -> MergedInquiries:
    return MergedInquiries({each.number: each for each in workers}, own=1)


@pytest.mark.asyncio
async def test_a_request_is_asked_of_the_worker_that_took_it_in(
    workers: list[Worker], merged: MergedInquiries
) -> None:
    for worker in workers:
        identity = worker.remember(5.0)
        assert (await merged.inspect(identity))["asked"] == worker.number
        assert await merged.export(identity) == f"{worker.number}: {identity}".encode()


@pytest.mark.asyncio
async def test_of_requests_with_one_id_of_callers_the_latest_is_told_of(
    workers: list[Worker], merged: MergedInquiries
) -> None:
    first = workers[0].remember(5.0, "mine")
    second = workers[1].remember(6.0, "mine")
    third = workers[0].remember(7.0, "mine")
    told = await merged.inspect("mine")
    assert told["id"] == third
    assert told["same_x_request_id"] == [second, first]
    assert await merged.export("mine") == f"1: {third}".encode()


@pytest.mark.asyncio
async def test_what_nobody_knows(merged: MergedInquiries) -> None:
    with pytest.raises(NotFoundError, match="'nobodys'"):
        await merged.inspect("nobodys")


@pytest.mark.asyncio
async def test_lists_come_from_all_the_latest_first(
    workers: list[Worker], merged: MergedInquiries
) -> None:
    made = [workers[at % 3].remember(float(at)) for at in range(9)]
    assert [each["id"] for each in await merged.find(Search(most=5))] == made[:3:-1]


@pytest.mark.asyncio
async def test_a_worker_that_is_away_is_left_out(
    workers: list[Worker], merged: MergedInquiries
) -> None:
    made = [workers[at % 3].remember(float(at)) for at in range(3)]
    workers[2].away = True
    assert [each["id"] for each in await merged.find(EVERYTHING)] == [made[1], made[0]]
    with pytest.raises(NotReadyError):
        await merged.inspect(made[2])


@pytest.mark.asyncio
async def test_the_number_of_a_letter_says_who_keeps_it(
    workers: list[Worker], merged: MergedInquiries
) -> None:
    for worker in workers:
        worker.kept = list(islice(WorkerNumber(worker.number, 3).letters, 4))
    numbers = [each["number"] for each in await merged.letters()]
    assert numbers == list(range(12, 0, -1))
    for worker in workers:
        for number in worker.kept:
            assert (await merged.letter(number))["asked"] == worker.number
            assert await merged.send_again(number) == f"{worker.number} again"


async def _next(tapped: AsyncGenerator[Tapped]) -> Tapped:
    async with asyncio.timeout(5.0):
        return await anext(tapped)


@pytest.mark.asyncio
async def test_a_tap_follows_all(workers: list[Worker], merged: MergedInquiries) -> None:
    tapped = await merged.tap("p", everything=False, state=None, most=0)
    assert await _next(tapped) == Tapped("open", {"pipeline": "p"})
    assert [each.followers for each in workers] == [1, 1, 1]
    for worker in workers:
        worker.records.put_nowait(Tapped("record", {"of": worker.number}))
        assert await _next(tapped) == Tapped("record", {"of": worker.number})
    workers[1].records.put_nowait(Tapped("lost", {"lost": 3}))
    assert await _next(tapped) == Tapped("lost", {"lost": 3})
    await tapped.aclose()
    assert [each.followers for each in workers] == [0, 0, 0]


@pytest.mark.asyncio
async def test_a_tap_ends_after_as_many_records_as_are_wanted(
    workers: list[Worker], merged: MergedInquiries
) -> None:
    for worker in workers:
        worker.records.put_nowait(Tapped("record", {"of": worker.number}))
    tapped = await merged.tap("p", everything=False, state=None, most=2)
    assert [each.kind async for each in tapped] == ["open", "record", "record"]
    assert [each.followers for each in workers] == [0, 0, 0]


@pytest.mark.asyncio
async def test_a_tap_goes_on_without_a_worker_that_is_away(
    workers: list[Worker], merged: MergedInquiries
) -> None:
    workers[1].away = True
    tapped = await merged.tap("p", everything=False, state=None, most=0)
    assert (await _next(tapped)).kind == "open"
    workers[2].records.put_nowait(Tapped("record", {"of": 3}))
    assert (await _next(tapped)).document == {"of": 3}
    await tapped.aclose()


@pytest.mark.asyncio
async def test_a_tap_of_nothing_is_refused_at_once(merged: MergedInquiries) -> None:
    with pytest.raises(NotFoundError):
        await merged.tap("q", everything=False, state=None, most=0)


@pytest.mark.asyncio
async def test_what_streams_do_not_have_whichever_worker_has_it() -> None:
    streams, *workers = Worker(3), Worker(1), Worker(2)
    merged = MergedInquiries({each.number: each for each in workers}, 1, owned=True)
    gateway = FakeGateway()
    desk = InquiryDesk(gateway.journal, gateway.letters, gateway)
    inquiries = InquiriesOverStreams(streams, merged, desk)
    recorded = streams.remember(1.0)
    # Its identity says who took it in, and that is not who worked on it.
    identity = workers[0].remember(2.0)
    workers[1].requests[identity] = workers[0].requests.pop(identity)
    assert (await inquiries.inspect(recorded))["asked"] == 3
    assert (await inquiries.inspect(identity))["asked"] == 2
    assert await inquiries.export(recorded) == f"3: {recorded}".encode()
    assert await inquiries.export(identity) == f"2: {identity}".encode()
    assert [each["id"] for each in await inquiries.find(EVERYTHING)] == [recorded]
    for ask in (inquiries.inspect, inquiries.export):
        with pytest.raises(NotFoundError, match="'nobody'"):
            await ask("nobody")
