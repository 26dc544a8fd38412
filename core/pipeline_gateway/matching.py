"""Which passage of a reading pipeline a record of another one belongs to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Collection
from typing import Generic, NamedTuple, TypeVar

from penstock.core.plan import ExternalPort

T = TypeVar("T")


class Arrival(NamedTuple):
    """What matters of a record: whose it is, and from where."""

    identity: str
    key: bytes
    port: ExternalPort


class Place(Generic[T]):
    """What is remembered of one passage; ``passage`` is None when it has ended.

    ``ports`` are those that its version reads, ``brought`` has the identities that came by them.
    """

    __slots__ = ("brought", "key", "passage", "ports")

    def __init__(self, key: bytes, passage: T, ports: Collection[ExternalPort]) -> None:
        self.key = key
        self.passage: T | None = passage
        self.ports = ports
        self.brought: dict[ExternalPort, str] = {}


class Matching(ABC, Generic[T]):
    """The passages of one reader: those that are open, and the last ``remembered`` that ended.

    A record of one that is remembered changes nothing any more: it is a duplicate, or too late.
    """

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._ended: deque[Place[T]] = deque()

    @abstractmethod
    def find(self, arrival: Arrival) -> Place[T] | None:
        """The place that a record belongs to; None if it begins a passage."""

    @abstractmethod
    def begin(self, arrival: Arrival, passage: T, ports: Collection[ExternalPort]) -> Place[T]:
        """A record has begun a passage, of a version that reads these ports."""

    @abstractmethod
    def _forget(self, place: Place[T]) -> None:
        """A place is not to be found any more."""

    def end(self, place: Place[T]) -> None:
        """A passage has ended; the one that ended first is forgotten where there are too many."""
        place.passage = None
        self._ended.append(place)
        if len(self._ended) > self._remembered:
            self._forget(self._ended.popleft())


class ByIdentity(Matching[T]):
    """One passage for one identity."""

    def __init__(self, remembered: int) -> None:
        super().__init__(remembered)
        self._places: dict[str, Place[T]] = {}

    def find(self, arrival: Arrival) -> Place[T] | None:
        return self._places.get(arrival.identity)

    def begin(self, arrival: Arrival, passage: T, ports: Collection[ExternalPort]) -> Place[T]:
        place = self._places[arrival.identity] = Place(arrival.key, passage, ports)
        place.brought[arrival.port] = arrival.identity
        return place

    def _forget(self, place: Place[T]) -> None:
        for identity in place.brought.values():
            del self._places[identity]


class ByKey(Matching[T]):
    """The first record of a key at one port goes with the first of that key at every other, the
    second with the second, and so on. A passage has the identity of the record that began it."""

    def __init__(self, remembered: int) -> None:
        super().__init__(remembered)
        self._seen: dict[tuple[ExternalPort, str], Place[T]] = {}
        self._awaiting: dict[tuple[ExternalPort, bytes], OrderedDict[Place[T], None]] = {}

    def find(self, arrival: Arrival) -> Place[T] | None:
        place = self._seen.get((arrival.port, arrival.identity))
        if place is None:
            awaiting = self._awaiting.get((arrival.port, arrival.key))
            if awaiting is not None:
                place = next(iter(awaiting))
                self._bring(place, arrival)
        return place

    def begin(self, arrival: Arrival, passage: T, ports: Collection[ExternalPort]) -> Place[T]:
        place = Place(arrival.key, passage, ports)
        for port in ports:
            self._awaiting.setdefault((port, place.key), OrderedDict())[place] = None
        self._bring(place, arrival)
        return place

    def _bring(self, place: Place[T], arrival: Arrival) -> None:
        self._await_no_more(place, arrival.port)
        place.brought[arrival.port] = arrival.identity
        self._seen[arrival.port, arrival.identity] = place

    def _await_no_more(self, place: Place[T], port: ExternalPort) -> None:
        awaiting = self._awaiting[port, place.key]
        del awaiting[place]
        if not awaiting:
            del self._awaiting[port, place.key]

    def _forget(self, place: Place[T]) -> None:
        for port in place.ports:
            identity = place.brought.get(port)
            if identity is None:
                self._await_no_more(place, port)
            else:
                del self._seen[port, identity]
