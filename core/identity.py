"""Identities of requests: ULIDs, which sort by the time they were made."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from penstock.core.clock import Clock

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_COUNTED: Final = 1 << 20
"""How many identities one moment has before its random part is drawn anew."""

_LENGTH: Final = 26
_PARTS: Final = 3
_DIGITS: Final = 6
_NAME: Final = re.compile("[A-Za-z0-9_-]{1,63}")
_NUMBER_BITS: Final = 10
MOST_WORKERS: Final = (1 << _NUMBER_BITS) - 1
"""The largest number of a worker that an identity has room for."""


class Identities:
    """Makes identities: 26 characters of Crockford's base 32, as the ULID specification has them.

    48 bits of milliseconds, 60 random bits that are drawn once a millisecond, and 20 bits that
    count within it, so that identities of one process also sort in the order they were made.
    ``random_bits`` gives that many random bits (``random.SystemRandom().getrandbits``). Where
    several workers stand behind one address, the last ten of the random bits are the number of the
    ``worker``, which :func:`worker_of` reads. Source of the format: https://github.com/ulid/spec.
    """

    __slots__ = ("_clock", "_count", "_millisecond", "_prefix", "_random_bits", "_worker")

    def __init__(
        self, clock: Clock, random_bits: Callable[[int], int], worker: int | None = None
    ) -> None:
        self._clock = clock
        self._random_bits = random_bits
        self._worker = worker
        self._millisecond = -1
        self._count = 0
        self._prefix = ""

    def next(self, now_ms: float | None = None) -> str:
        """A new identity; ``now_ms`` saves reading the clock again."""
        millisecond = int(self._clock.now_ms() if now_ms is None else now_ms)
        count = self._count + 1
        if millisecond > self._millisecond or count >= _COUNTED:
            self._millisecond = max(millisecond, self._millisecond)
            self._prefix = _base32(self._millisecond, 10) + _base32(self._drawn(), 12)
            count = 0
        self._count = count
        return self._prefix + _PAIRS[count >> 10] + _PAIRS[count & 1023]

    def _drawn(self) -> int:
        if self._worker is None:
            return self._random_bits(60)
        return self._random_bits(60 - _NUMBER_BITS) << _NUMBER_BITS | self._worker


def worker_of(identity: str) -> int | None:
    """The number of the worker that took a request in, where several stand behind one address;
    None for what is no identity. ``identity`` may be that of a child of the request."""
    return None if (own := _own(identity)) is None else _number(own[20:22])


def made_ms(identity: str) -> int | None:
    """When a request was taken in, in milliseconds since the epoch; None for what is no
    identity."""
    return None if (own := _own(identity)) is None else _number(own[:10])


class Whereabouts(NamedTuple):
    """Where a request is: in which partition of the streams of which pipeline."""

    pipeline: str
    partition: int


def placed(identity: str, where: Whereabouts) -> str:
    """The identity of a request that says where it is: ``<identity>.<partition>.<pipeline>``."""
    return f"{identity}.{where.partition}.{where.pipeline}"


def whereabouts_of(identity: str) -> Whereabouts | None:
    """Where a request is, None where its identity does not say."""
    parts = identity.split(".")
    if len(parts) != _PARTS or _own(identity) is None:
        return None
    _, partition, pipeline = parts
    if not (partition.isascii() and partition.isdigit() and len(partition) <= _DIGITS):
        return None
    return Whereabouts(pipeline, int(partition)) if _NAME.fullmatch(pipeline) else None


def _own(identity: str) -> str | None:
    own = identity.partition("/")[0].partition(".")[0]
    return own if len(own) == _LENGTH and not set(own) - set(_ALPHABET) else None


def _number(text: str) -> int:
    number = 0
    for letter in text:
        number = number << 5 | _ALPHABET.index(letter)
    return number


def _base32(number: int, length: int) -> str:
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(5 * length - 5, -1, -5))
