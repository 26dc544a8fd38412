"""Bodies of REST: what goes out in parts, and how much of an answer is taken."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import ClientResponse
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from penstock.core.byte_elements import Buffer


class Parts(Payload):
    """The JSON of a request and the contents behind it, written one after the other, so that
    large ones are not copied into one body first."""

    def __init__(self, parts: Sequence[Buffer]) -> None:
        super().__init__(parts, content_type="application/octet-stream")
        self._parts = parts
        self._size = sum(map(len, parts))

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text, as aiohttp's debugging wants it."""
        return b"".join(self._parts).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        for part in self._parts:
            await writer.write(part)


async def read_answer(response: ClientResponse, most: int) -> bytes | None:
    """The body of an answer; None when it has more than ``most`` bytes."""
    if (response.content_length or 0) > most:
        return None
    content = response.content
    parts: list[bytes] = []
    left = most
    while part := await content.readany():
        left -= len(part)
        if left < 0:
            return None
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
