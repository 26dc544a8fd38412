"""Where replies go, how requests are put into streams, and how answers are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from penstock.core.clock import SystemClock
from penstock.core.contracts.transport import Output, PartlyWrittenError, StreamSpec, Written
from penstock.core.errors import InternalError, NotReadyError, PenstockError, TooLargeError
from penstock.core.inference import InferenceRequest, RequestedOutput
from penstock.core.records import Port, Record
from penstock.core.streams.clock import TransportClock
from penstock.core.streams.names import REPLY_PARTITIONS, StreamNames
from penstock.core.streams.outbox import Outbox
from penstock.core.streams.replies import Replies
from penstock.core.streams.wanted import wanted_text, with_wanted
from penstock.testing.scripts import tensor
from penstock.transports.memory import MemoryOptions, MemoryTransport

NAMES = StreamNames.under("a.b.c")


def test_names_are_under_the_root_of_the_transport() -> None:
    assert NAMES.replies == "a.b.c.replies"
    assert NAMES.of("p", Port(None, "inputs")) == "a.b.c.pipeline.p.inputs"


def test_an_address_of_the_reply_stream_is_understood() -> None:
    for number in range(REPLY_PARTITIONS):
        assert NAMES.reply_partition(NAMES.reply_address(number)) == number


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "a.b.c.replies",
        "a.b.c.replies/",
        "a.b.c.replies/x",
        "a.b.c.replies/-1",
        f"a.b.c.replies/{REPLY_PARTITIONS}",
        "a.b.c.replies/1111111111",
        "a.b.x.replies/1",
        "a.b.c.pipeline.p.inputs/1",
    ],
)
def test_nothing_else_is_written_to(address: str | None) -> None:
    assert NAMES.reply_partition(address) is None


def test_a_selection_goes_with_the_request_and_comes_back() -> None:
    outputs = (RequestedOutput("y", True, {"a": 1}), RequestedOutput("z"))
    asked = InferenceRequest("i", (), {}, outputs, True)
    text = wanted_text(asked)
    assert text is not None
    found = with_wanted(InferenceRequest("i", ()), text)
    assert (found.outputs, found.binary_output) == (outputs, True)
    assert wanted_text(InferenceRequest("i", ())) is None


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"binary": true, "outputs": [1]}'])
def test_what_is_no_selection_selects_nothing(text: str | None) -> None:
    found = with_wanted(InferenceRequest("i", ()), text)
    assert (found.outputs, found.binary_output) == (None, False)


class Note:
    """What became of one record."""

    def __init__(self) -> None:
        self.told: list[Written | PenstockError] = []
        self.there = asyncio.Event()

    def sent(self, written: Written) -> None:
        self._note(written)

    def refused(self, error: PenstockError) -> None:
        self._note(error)

    def _note(self, told: Written | PenstockError) -> None:
        self.told.append(told)
        self.there.set()


class Moody(MemoryTransport):
    """Refuses what it is told to, and counts what it is asked."""

    def __init__(self, *errors: Exception | None) -> None:
        super().__init__(MemoryOptions())
        self.errors = list(errors)
        self.batches: list[int] = []

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        self.batches.append(len(outputs))
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return await super().publish(outputs)


def record(identity: str) -> Record:
    port = Port(None, "outputs")
    return Record(identity, b"", "p", 1, port, 0, (tensor("y"),), {}, {}, float("inf"))


async def posted(transport: Moody) -> list[Written | PenstockError]:
    """What became of three records of one turn."""
    await transport.make_streams([StreamSpec("s")])
    outbox = Outbox(transport, TransportClock(SystemClock()))
    notes = [Note() for _ in range(3)]
    for number, note in enumerate(notes):
        outbox.put(Output("s", record(str(number)), 0), note)
    async with asyncio.timeout(10):
        for note in notes:
            await note.there.wait()
    await outbox.close()
    assert [len(note.told) for note in notes] == [1, 1, 1]
    return [note.told[0] for note in notes]


async def test_what_comes_in_one_turn_goes_as_one() -> None:
    transport = Moody()
    told = await posted(transport)
    assert transport.batches == [3]
    assert [each.offset for each in told if isinstance(each, Written)] == [0, 1, 2]


async def test_one_that_is_refused_spoils_no_other() -> None:
    too_large = TooLargeError("too large")
    transport = Moody(too_large, None, too_large, None)
    first, second, third = await posted(transport)
    assert transport.batches == [3, 1, 1, 1]
    assert second is too_large
    assert isinstance(first, Written)
    assert isinstance(third, Written)


@pytest.mark.parametrize("refused", [{1}, {0, 2}])
async def test_what_is_written_of_a_batch_is_not_written_again(refused: set[int]) -> None:
    too_large = TooLargeError("too large")

    class Narrow(Moody):
        async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
            self.batches.append(len(outputs))
            fits = [int(each.record.identity) not in refused for each in outputs]
            rest = [each for each, fit in zip(outputs, fits, strict=True) if fit]
            written = iter(await MemoryTransport.publish(self, rest) if rest else ())
            if all(fits):
                return list(written)
            if not rest:
                raise too_large
            places = [next(written) if fit else None for fit in fits]
            refusals = {at: too_large for at, fit in enumerate(fits) if not fit}
            raise PartlyWrittenError(places, refusals)

    transport = Narrow()
    told = await posted(transport)
    assert {number for number, each in enumerate(told) if each is too_large} == refused
    assert [each.offset for each in told if isinstance(each, Written)] == [*range(3 - len(refused))]
    [extent] = await transport.extents("s")
    assert extent.end == 3 - len(refused)


async def test_what_may_be_written_is_not_written_again() -> None:
    away = NotReadyError("away")
    transport = Moody(away)
    assert await posted(transport) == [away, away, away]
    assert transport.batches == [3]


async def test_a_defect_is_told_as_one() -> None:
    transport = Moody(*[ValueError("what")] * 4)
    assert {type(each) for each in await posted(transport)} == {InternalError}


async def test_replies_of_one_partition_are_heard() -> None:
    transport = MemoryTransport(MemoryOptions())
    heard: list[str] = []
    there = asyncio.Event()

    def hear(reply: Record) -> None:
        heard.append(reply.identity)
        there.set()

    clock = TransportClock(SystemClock())
    await transport.make_streams([StreamSpec(NAMES.replies, REPLY_PARTITIONS)])
    await transport.publish([Output(NAMES.replies, record("before"), 3)])
    replies = Replies(transport, NAMES, clock, 3, hear)
    await replies.start()
    await transport.publish([Output(NAMES.replies, record("other"), 2)])
    await transport.publish([Output(NAMES.replies, record("a"), 3)])
    async with asyncio.timeout(10):
        await there.wait()
    await replies.stop()
    assert heard == ["a"]
