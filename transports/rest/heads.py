"""Heads of requests that have been parsed before, by their bytes.

Clients that keep a connection send the same head again and again. What a head means follows from
its bytes alone, so one that was parsed, checked and found plain need not be parsed again.
"""

from __future__ import annotations

from typing import Final

from penstock.transports.rest.addresses import Address
from penstock.transports.rest.caller import Caller

MAX_HEAD_BYTES: Final = 1024
"""Longer heads are parsed every time."""

MAX_KEPT: Final = 1024
"""Heads that are kept; at the bound it begins anew, so that callers cannot fill the memory."""


class PlainHead:
    """What the head of a plain request of inference says."""

    __slots__ = ("address", "caller", "json_length", "keep_alive", "length")

    def __init__(
        self,
        address: Address,
        caller: Caller,
        json_length: int | None,
        length: int,
        keep_alive: bool,
    ) -> None:
        self.address = address
        self.caller = caller
        self.json_length = json_length
        self.length = length
        self.keep_alive = keep_alive


class KnownHeads:
    """The heads of one front end."""

    __slots__ = ("_known", "find")

    def __init__(self) -> None:
        self._known: dict[bytes, PlainHead] = {}
        self.find = self._known.get

    def __len__(self) -> int:
        return len(self._known)

    def keep(self, written: bytes, head: PlainHead) -> None:
        """Remember what ``written`` says; not where each request says something else."""
        if head.caller.headers:
            return
        if len(self._known) >= MAX_KEPT:
            self._known.clear()
        self._known[written] = head
