"""Dead letters as the stream of them holds them; what they are numbered by is their offset."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Final

from penstock.core.contracts.transport import Delivery, From, Transport
from penstock.core.errors import NotFoundError
from penstock.core.inference import InferenceRequest
from penstock.core.journal.letters import Letter
from penstock.core.records import Absent, Failed
from penstock.core.streams.headers import (
    ARMS_HEADER,
    ATTEMPT_HEADER,
    CODE_HEADER,
    OMITTED_HEADER,
    REASON_HEADER,
    STEP_HEADER,
)
from penstock.core.streams.names import StreamNames
from penstock.core.streams.present import latest_first, present
from penstock.core.streams.request import identity_of

MOST_SEARCHED: Final = 10_000
"""So many letters are looked at."""

_PARTITION: Final = 0
"""The stream has one."""

_OWN: Final = (
    ARMS_HEADER,
    CODE_HEADER,
    REASON_HEADER,
    STEP_HEADER,
    ATTEMPT_HEADER,
    OMITTED_HEADER,
)
"""The headers that are not of the request, but say what became of it."""


class RecordedLetters:
    """Reads the dead letters of a namespace. Number n stands at offset n-1."""

    def __init__(self, transport: Transport, names: StreamNames) -> None:
        self._transport = transport
        self._stream = names.dead_letters

    async def latest(self, wanted: Callable[[Letter], bool], most: int) -> list[Letter]:
        """The latest that are ``wanted``, the latest first."""
        found: list[Letter] = []
        looked_at = 0
        with suppress(NotFoundError):
            async with aclosing(latest_first(self._transport, self._stream, _PARTITION)) as there:
                async for delivery in there:
                    letter = letter_of(delivery)
                    if wanted(letter):
                        found.append(letter)
                    looked_at += 1
                    if len(found) == most or looked_at == MOST_SEARCHED:
                        break
        return found

    async def find(self, number: int) -> Letter | None:
        """The letter of a number."""
        begin = From(offset=number - 1)
        found = await self._from(begin, number)
        return next((each for each in found if each.number == number), None)

    async def failures(self, identity: str, since_ms: float) -> list[Failed]:
        """Those of one request that nobody was told of."""
        found = await self._from(From(time_ms=since_ms))
        return [each.failure for each in found if each.identity == identity]

    async def _from(self, begin: From, before: int | None = None) -> list[Letter]:
        """Those that are there from some place on, and ``before`` an offset."""
        letters = []
        with suppress(NotFoundError):
            there = present(self._transport, self._stream, _PARTITION, begin, before)
            async with aclosing(there):
                async for delivery in there:
                    letters.append(letter_of(delivery))
                    if len(letters) == MOST_SEARCHED:
                        break
        return letters


def letter_of(delivery: Delivery) -> Letter:
    """A record of the stream as a letter."""
    record = delivery.record
    body = record.body
    tensors = () if isinstance(body, Absent | Failed) else body
    return Letter(
        delivery.offset + 1,
        identity_of(delivery),
        record.pipeline,
        record.version,
        _failure(delivery),
        delivery.time_ms,
        InferenceRequest(record.request_id, tensors, record.parameters),
        {name: text for name, text in record.headers.items() if name not in _OWN},
        OMITTED_HEADER in record.headers or isinstance(body, Failed),
    )


def _failure(delivery: Delivery) -> Failed:
    headers = delivery.record.headers
    attempts = headers.get(ATTEMPT_HEADER, "1")
    return Failed(
        headers.get(CODE_HEADER, "internal"),
        headers.get(REASON_HEADER, ""),
        headers.get(STEP_HEADER),
        attempts=int(attempts) if attempts.isdigit() and len(attempts) < 10 else 1,
    )
