"""What a server prints: passed on line by line, and the last lines kept for errors."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import BinaryIO, Final

LONGEST_LINE: Final = 4096
"""Bytes of a line that are passed on at once."""

KEPT_LINES: Final = 20

_READ_BYTES: Final = 64 * 1024

_log = logging.getLogger("penstock.servers.output")


class Output:
    """Logs the lines of one server, each with the server's name before it.

    ``about`` is what the lines are about, for machines: the server, unless it is said.
    """

    def __init__(self, server: str, about: Mapping[str, str] | None = None) -> None:
        self._server = server
        self.about = {"server": server} if about is None else about
        self._begun = b""
        self._last: deque[str] = deque(maxlen=KEPT_LINES)

    async def follow(self, pipe: BinaryIO) -> None:
        """Pass on everything that comes until all who could write have ended; then close it."""
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), pipe
        )
        try:
            while chunk := await stream.read(_READ_BYTES):
                self.feed(chunk)
        finally:
            transport.close()
            self.finish()

    def feed(self, chunk: bytes) -> None:
        """Pass on the lines that are whole."""
        *lines, self._begun = (self._begun + chunk).split(b"\n")
        for line in lines:
            self._pass_on(line)
        while len(self._begun) > LONGEST_LINE:
            self._pass_on(self._begun[:LONGEST_LINE])
            self._begun = self._begun[LONGEST_LINE:]

    def finish(self) -> None:
        """Pass on what has no line's end."""
        begun, self._begun = self._begun, b""
        self._pass_on(begun)

    @property
    def last(self) -> tuple[str, ...]:
        """The last lines with something in them."""
        return tuple(self._last)

    def _pass_on(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip()
        if text:
            self._last.append(text[:300])
            _log.info("%s: %s", self._server, text, extra=self.about)
