"""What members write into the log. A message is one byte of format, and JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

_FORMAT: Final = b"1"

Subject: TypeAlias = tuple[str, str]
"""A group, and the stream whose partitions are shared in it."""


class MemberId(NamedTuple):
    """A process: ``instance`` is its name, ``incarnation`` tells it from those before it."""

    instance: str
    incarnation: str


class Beat(NamedTuple):
    """The member lives. ``number`` counts what it has written."""

    member: MemberId
    number: int


class Hello(NamedTuple):
    """The member has come, owns nothing, and wants to know what others own. When it is there for
    the ``first`` time it takes its name from who had it; when it was silent for a lease and comes
    again it is let in only if nobody has taken the name meanwhile."""

    member: MemberId
    number: int
    first: bool = True


class Ask(NamedTuple):
    """The member wants to know once more what others own."""

    member: MemberId
    number: int


class Holdings(NamedTuple):
    """All that the member competes for, with the number of partitions, and all that it owns, by
    partition with its epoch, when it had read the log up to the offset ``as_of``."""

    member: MemberId
    number: int
    as_of: int
    competes: Mapping[Subject, int]
    owns: Mapping[Subject, Mapping[int, int]]


class Act(NamedTuple):
    """In this order: the member no longer competes for ``quits``, gives up ``releases``, competes
    for ``joins``, each with its number of partitions, and takes ``claims`` as far as it can."""

    member: MemberId
    number: int
    quits: Sequence[Subject]
    releases: Mapping[Subject, Sequence[int]]
    joins: Mapping[Subject, int]
    claims: Mapping[Subject, Sequence[int]]


class Bye(NamedTuple):
    """The member is gone, and owns nothing."""

    member: MemberId
    number: int


Message: TypeAlias = Beat | Hello | Ask | Holdings | Act | Bye


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    kind = type(message).__name__.lower()
    head = [kind, *message.member, message.number]
    return _FORMAT + orjson.dumps(head + _body(message), option=orjson.OPT_NON_STR_KEYS)


def decode(text: bytes | None) -> Message | None:
    """The message of some bytes; None for what this version does not know."""
    if not text or text[:1] != _FORMAT:
        return None
    try:
        kind, instance, incarnation, number, *body = orjson.loads(text[1:])
        return _READERS[kind](MemberId(instance, incarnation), number, *body)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _body(message: Message) -> list[Any]:
    if isinstance(message, Hello):
        return [message.first]
    if isinstance(message, Holdings):
        owns = [[*subject, list(owned.items())] for subject, owned in message.owns.items()]
        return [message.as_of, _counts(message.competes), owns]
    if isinstance(message, Act):
        return [
            [list(subject) for subject in message.quits],
            _lists(message.releases),
            _counts(message.joins),
            _lists(message.claims),
        ]
    return []


def _counts(counts: Mapping[Subject, int]) -> list[Any]:
    return [[*subject, count] for subject, count in counts.items()]


def _lists(partitions: Mapping[Subject, Sequence[int]]) -> list[Any]:
    return [[*subject, list(numbers)] for subject, numbers in partitions.items()]


def _read_counts(rows: Sequence[Any]) -> dict[Subject, int]:
    return {(group, stream): count for group, stream, count in rows}


def _read_lists(rows: Sequence[Any]) -> dict[Subject, list[int]]:
    return {(group, stream): numbers for group, stream, numbers in rows}


def _read_holdings(member: MemberId, number: int, as_of: int, competes: Any, owns: Any) -> Holdings:
    owned = {(group, stream): dict(epochs) for group, stream, epochs in owns}
    return Holdings(member, number, as_of, _read_counts(competes), owned)


def _read_act(
    member: MemberId, number: int, quits: Any, releases: Any, joins: Any, claims: Any
) -> Act:
    return Act(
        member,
        number,
        [(group, stream) for group, stream in quits],
        _read_lists(releases),
        _read_counts(joins),
        _read_lists(claims),
    )


_READERS: Final[dict[str, Callable[..., Message]]] = {
    "beat": Beat,
    "hello": Hello,
    "ask": Ask,
    "holdings": _read_holdings,
    "act": _read_act,
    "bye": Bye,
}
