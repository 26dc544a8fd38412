"""The contract of a join: when a step runs, with which of its sources, and when it is skipped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import Literal, NamedTuple, TypeAlias

from penstock.core.records import Failed, Tensors


class SourceState(IntEnum):
    """How a source stands in one visit. It leaves ``OPEN`` once and never changes again."""

    OPEN = 0
    VALUE = 1
    ABSENT = 2
    FAILED = 3


class Kept(NamedTuple):
    """A record that the state of a join has kept of one of its sources.

    ``identity`` is that of the request that brought it, and ``position`` where that request stands
    in the order of requests. ``number`` counts the values of the source under the key, from 0, in
    the order of their requests, where the join has them numbered. It came at ``at_ms``.
    """

    identity: str
    position: int
    number: int
    at_ms: float
    tensors: Tensors


class Keep(NamedTuple):
    """What a join keeps across requests of the sources that do not drive it, and its bounds.

    Under each key at most ``most`` records of a source: those of the newest requests. A record is
    kept no longer than ``max_age_ms``. Past ``max_keys`` keys, or ``max_bytes`` of records in all,
    those keys go that changed longest ago and have no request under way.

    ``numbered`` joins see each record in its turn: the values of a source are numbered in the order
    of their requests, once all earlier requests of the key have ended there. A kept record is then
    for the visit whose driving record has its number, and goes when that visit is decided; such a
    visit is asked again when it has its number, and when a record of that number has come.
    """

    most: int = 1
    max_age_ms: float = 86_400_000.0
    max_keys: int = 10_000
    max_bytes: int = 64 * 1024 * 1024
    numbered: bool = False


class SourceView(NamedTuple):
    """One source as it stands.

    ``ended_ms`` is None while the source is open. Sources that one record ended share ``instant``,
    a number that grows with each record of the visit. ``tensors`` is empty unless the source is a
    value; its contents are raw and are decoded only when somebody looks.

    A join that keeps state is shown what is ``kept`` of the source under the key of the request
    (or of the stream), the newest request last. In a numbered join ``number`` is that of this
    request's own value, once it has one, and ``counted`` how many values have theirs.
    """

    reference: str
    state: SourceState
    ended_ms: float | None
    instant: int | None
    tensors: Tensors
    failure: Failed | None
    kept: tuple[Kept, ...] = ()
    number: int | None = None
    counted: int = 0


class JoinView(NamedTuple):
    """What a strategy is shown: the sources in the manifest's order, and the clock.

    All times are in milliseconds of one clock. ``window_end_ms`` is None where no window is
    written; ``window_ended`` is true once the clock has ended it, which no record does: one that
    another event of the clock brings in the same millisecond, before it, is in time.
    """

    sources: tuple[SourceView, ...]
    opened_ms: float
    now_ms: float
    window_end_ms: float | None
    window_ended: bool
    deadline_ms: float

    def having(self, state: SourceState) -> tuple[int, ...]:
        """The indexes of the sources that stand in ``state``."""
        return tuple(i for i, source in enumerate(self.sources) if source.state is state)


class Wait(NamedTuple):
    """Nothing is decided yet. The strategy is asked again after each record, and at ``until_ms``.

    A strategy that waits for a time must say until when; the window's end needs no mention.
    """

    until_ms: float | None = None


class Run(NamedTuple):
    """The step runs with the sources at ``indexes``, all of them values.

    Tensors come in the manifest's order, in whatever order the indexes are. ``kept`` says of which
    of these sources a kept record is taken: pairs of its index and the record's in ``kept`` there.
    """

    indexes: tuple[int, ...]
    kept: tuple[tuple[int, int], ...] = ()


class Skip(NamedTuple):
    """The step does not run; ``reason`` is a sentence for people.

    ``because`` names the sources that the verdict stands on (all of them when it is None). When
    one of those has failed, what would be a skip is that failure: this is how a strategy says
    whether an absence or a failure decided. ``cause`` is a stable word for statistics.
    """

    reason: str
    because: tuple[int, ...] | None = None
    cause: str = "absent"


Decision: TypeAlias = Wait | Run | Skip


class JoinStrategy(ABC):
    """Decides one join of one visit. A small pure object: no I/O, no clock, no thread, no memory.

    What it has to know of other requests is kept for it and shown to it (see ``scope``).

    The engine calls :meth:`decide` after every record that ends a source of the visit and after
    every timer, until the answer is no longer :class:`Wait`; the same view gives the same answer.
    Two answers are taken out of a strategy's hands, so that every join ends: waiting on after the
    end of the window, or after all sources have ended without a time to wait for, is a skip.
    Options from the manifest (``quorum(2, withinMs=50)``) are passed to the constructor by name or
    position and must be refused there with a ``ValueError`` when they make no sense.
    """

    scope: Literal["request", "key", "stream"] = "request"
    """Whether a visit sees one request, or state kept per key or for the whole stream.

    With state, one source drives the join: a visit belongs to the request of the driving record.
    What the others bring is kept as ``keep`` says, and shown to visits of later requests too.
    """

    keep: Keep | None = None
    """What is kept across requests; None for the scope ``request``, and only for that."""

    order_free: bool = False
    """Whether the outcome is the same in whatever order the records arrive."""

    reads_states_only: bool = False
    """Whether the answer depends on nothing but the sources' states and ``window_ended``.

    The engine then asks once for each combination and remembers the answer, which makes the join
    as cheap as a look into a table. Such a strategy never waits until a time.

    This and ``order_free`` stand in the class, or are set by the constructor where they depend on
    its arguments (a quorum reads times only if it was given one). They are read once, when a
    pipeline is loaded.
    """

    def check(self, sources: tuple[str, ...]) -> None:  # noqa: B027 - an optional hook
        """Called once, when a pipeline is loaded, with the references that will be joined.

        Raises ``ValueError`` when the strategy cannot work on them (a quorum of 3 of 2 sources).
        """

    def driver(self, sources: tuple[str, ...]) -> int:
        """The index of the source that drives the join, where it keeps state. Called at load."""
        return 0

    @abstractmethod
    def decide(self, view: JoinView) -> Decision:
        """Say whether the step waits, runs or is skipped, for the sources in ``view``."""
