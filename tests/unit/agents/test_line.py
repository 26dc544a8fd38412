"""What one side says to the other."""

from __future__ import annotations

import asyncio

import pytest

from harness.virtual_time import in_virtual_time
from penstock.core.agent.line import Line, heard
from penstock.core.clock import VirtualClock
from penstock.core.codecs.signatures import read_signature, write_signature
from penstock.core.errors import LostError
from penstock.core.signature import Signature, TensorSpec


async def test_everything_is_said_in_order_up_to_the_end() -> None:
    line = Line[int]()
    line.say(1)

    async def read() -> list[int]:
        return [message async for message in line.messages()]

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    line.say(2)
    await asyncio.sleep(0)
    line.say(3)
    line.close()
    line.say(4)
    assert await reading == [1, 2, 3]
    assert not line.open


async def test_a_line_that_nobody_reads_is_closed() -> None:
    line = Line[int](most=2)
    for message in range(3):
        line.say(message)
    assert not line.open
    assert [message async for message in line.messages()] == [0, 1]


def test_signs_of_life_and_silence() -> None:
    async def main(clock: VirtualClock) -> None:
        line = Line[float]()
        now = asyncio.get_running_loop().time
        beating = asyncio.create_task(line.beat(2.0, now))
        told = heard(line.messages(), 5.0, "the other")
        assert [await anext(told) for _ in range(3)] == [0.0, 2.0, 4.0]
        beating.cancel()
        with pytest.raises(LostError, match="the other has said nothing for 5 s"):
            await anext(told)
        assert now() == 9.0

    in_virtual_time(main)


async def test_the_end_is_no_silence() -> None:
    line = Line[int]()
    line.close()
    assert [message async for message in heard(line.messages(), 1.0, "the other")] == []


@pytest.mark.parametrize(
    "signature",
    [
        Signature(),
        Signature((), None),
        Signature(
            (TensorSpec("x", "FP32", ("n", None, 4)), TensorSpec("y", None, None, optional=True)),
            (TensorSpec("z", "BYTES", ()),),
        ),
    ],
)
def test_signatures_come_as_they_go(signature: Signature) -> None:
    message = write_signature(signature)
    assert message is not None
    assert read_signature(message) == signature


def test_what_is_not_known_is_not_said() -> None:
    assert write_signature(None) is None
