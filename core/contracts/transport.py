"""The contract of a transport: how records cross a process boundary.

A transport keeps *streams*. A stream has *partitions*, numbered from 0, and a partition is a
sequence of records with growing offsets. Who reads shares the partitions of one stream, under the
name of a *group*: each partition number has one *owner* in a group at a time. Progress is kept per
group and partition; what was delivered and not finished is delivered again to the next owner.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from penstock.core.errors import ConflictError, PenstockError, UnsupportedError
from penstock.core.records import Absent, Record

ALONE_FROM_ATTEMPT: Final = 3
"""A record that is delivered so often was at work at two crashes: it comes alone, see
:meth:`Reader.take`."""


REMOVED: Final = Absent("it is not kept any more", "removed")
"""The body of a record that takes the last one of its key out of a compacted stream."""


class FencedError(ConflictError):
    """The ownership is over: another owner has, or may have, the partition by now.

    The deliveries belong to that one; nothing of the refused call counts as done. Outputs of it may
    have been written where the transport cannot write and finish as one.
    """


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream as it is wanted. A ``compacted`` one may keep only the last record of each key, and
    none of a key whose last one is REMOVED."""

    name: str
    partitions: int = 1
    compacted: bool = False


class Output(NamedTuple):
    """A record to be written. Without a partition, the record's key decides it."""

    stream: str
    record: Record
    partition: int | None = None


class Written(NamedTuple):
    """Where a record went. ``time_ms`` is the transport's time, in ms since the epoch. Offset and
    time are None where the transport knows no more than that it is there."""

    stream: str
    partition: int
    offset: int | None
    time_ms: float | None


class PartlyWrittenError(PenstockError):
    """Some records of one call are written, and some are refused: that they would be could be seen
    only by trying.

    ``places`` says of each output where it went, None of those that ``refusals`` has by their
    index, with why. They are not written.
    """

    def __init__(
        self, places: Sequence[Written | None], refusals: Mapping[int, PenstockError]
    ) -> None:
        first = next(iter(refusals.values()))
        super().__init__(
            f"{len(refusals)} of {len(places)} records are not written: {first.message}"
        )
        self.places = places
        self.refusals = refusals


class Ownership(NamedTuple):
    """The right to read one partition number for a group. ``epoch`` grows with every change."""

    group: str
    stream: str
    partition: int
    epoch: int


class Delivery(NamedTuple):
    """A record as an owner gets it.

    ``attempt`` counts from 1 how often the record was taken, over all owners of the group; what was
    given back was not taken. A record that cannot be decoded comes with the body ``Failed``, code
    ``invalid-request`` (``unsupported`` for what another Penstock may read), the headers that could
    be read, and what was written in ``undecoded``.
    """

    stream: str
    partition: int
    offset: int
    record: Record
    attempt: int
    time_ms: float


class Owner(ABC):
    """Who competes for partitions. Called on the event loop, by the transport."""

    @abstractmethod
    async def won(self, ownership: Ownership) -> None:
        """The partition is this owner's from now on; it usually begins to read."""

    @abstractmethod
    async def lost(self, ownership: Ownership) -> None:
        """The partition goes to somebody else once this returns, or has gone already.

        The owner stops reading, and may still finish what it has; a :class:`FencedError` then says
        that it was too late. Must return within seconds.
        """


class Membership(ABC):
    """A place in a group, from :meth:`Transport.compete`."""

    @abstractmethod
    async def leave(self) -> None:
        """Give the place up. Every partition it owns is lost (``lost`` is called) before this
        returns."""


class Reader(ABC):
    """Reads one partition number of some streams, for as long as the ownership holds."""

    @abstractmethod
    async def take(self, limit: int) -> Sequence[Delivery]:
        """The next records, at least one and at most ``limit``; waits until there is one.

        Records of one stream come in the order of their offsets, each once per reader unless it is
        given back. One whose attempt is ALONE_FROM_ATTEMPT or more is the only one of its answer,
        so that those behind it are not counted as taken with it. Raises FencedError when the
        ownership is over, also while it waits. A call that is cancelled has taken nothing.
        """


class ShareReader(ABC):
    """Takes records of all partitions of a stream, in turn with others (:meth:`Transport.share`).

    Who takes a record has it for some seconds (:attr:`HELD_S`), which cannot be renewed. What is
    not accepted by then, or was in the hands of a process that died, is handed out once more; a
    transport may let go of what it has handed out often, and tells nobody.
    """

    HELD_S: ClassVar[float] = 15.0

    @abstractmethod
    async def take(self) -> Sequence[Delivery]:
        """What is handed out next, at least one record, as many as the transport likes; waits until
        there is one, and until all of the last answer is accepted.

        ``attempt`` counts how often it was handed out. A call that is cancelled has taken nothing:
        it is in the next answer. Raises NotReadyError when the reader can go on no more.
        """

    @abstractmethod
    def accept(self, deliveries: Sequence[Delivery]) -> None:
        """These are done with. The transport hears of it soon; what it does not hear of comes once
        more."""

    @abstractmethod
    async def set_aside(self, deliveries: Sequence[Delivery], stream: str) -> None:
        """Write these as they are to the partitions of the same numbers of another stream, with
        their identities, and accept them. Raises what :meth:`Transport.publish` raises; none is
        accepted then, and some may be written."""

    @abstractmethod
    async def close(self) -> None:
        """Take no more; what is not accepted goes to others."""


class Extent(NamedTuple):
    """What a partition holds: offsets from ``first`` on, and before ``end``."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class From:
    """Where to begin to read: at an offset, at the first record that is not older than a time, or,
    with neither, behind what there is. An offset or time before the first record is the first."""

    offset: int | None = None
    time_ms: float | None = None


THE_END: Final = From()
THE_BEGINNING: Final = From(offset=0)


class Only(NamedTuple):
    """Records that have a header, and one that is ``wanted``, which is asked about every record
    once, in their order. To read a header costs little beside all of a record."""

    header: str
    wanted: Callable[[str], bool]

    def wants(self, headers: Mapping[str, str]) -> bool:
        """Whether a record with these is wanted."""
        text = headers.get(self.header)
        return text is not None and self.wanted(text)


class Tail(ABC):
    """Reads one partition that others own, or nobody: nothing that it reads counts as taken."""

    @property
    @abstractmethod
    def position(self) -> int:
        """Nothing before this offset comes any more: it was taken, or is not there."""

    @abstractmethod
    async def take(self, limit: int, only: Only | None = None) -> Sequence[Delivery]:
        """The next records, at least one and at most ``limit``, in the order of their offsets;
        waits until there is one. Those that ``only`` does not want are left out, so that none may
        be left. Their attempt is 0. Raises NotFoundError when the stream is deleted, also while it
        waits. A call that is cancelled has taken nothing."""

    def rest(self) -> None:  # noqa: B027 - reading early is no fault
        """Nobody waits for what comes: it may be read late, many records at once. Nothing is left
        out."""

    def wake(self) -> None:  # noqa: B027 - as above
        """Read what comes as soon as it is there, as at the beginning."""

    @abstractmethod
    async def close(self) -> None:
        """Read no more."""


class Transport(ABC):
    """Keeps streams. All methods are called on the event loop, between start and stop.

    Made with the options of the section ``transport`` of the config file, when its plug-in
    registers a schema for them, else without arguments.
    """

    crosses_processes: ClassVar[bool] = True
    """Whether other processes see the same streams."""

    root: str = "penstock.default"
    """What the names of all streams and groups begin with: ``<prefix>.<namespace>``."""

    def use_worker(self, group: str, number: int) -> None:  # noqa: B027 - an optional hook
        """Called once, before :meth:`start`, in one of several processes that have the same
        options: ``group`` is a name that no others have, and ``number`` is the same when the
        process is started again."""

    @abstractmethod
    async def start(self) -> None:
        """Connect. Raises NotReadyError with what to do when the other side cannot be had; may be
        called again then."""

    @abstractmethod
    async def stop(self) -> None:
        """Let go of everything. All memberships have left before."""

    @abstractmethod
    async def time_ms(self) -> float:
        """The transport's time at some moment of the call, in ms since the epoch.

        It is the time that records are stamped with; clocks of processes may be wrong. Raises
        NotReadyError when the other side cannot be had.
        """

    @abstractmethod
    async def make_streams(self, specs: Sequence[StreamSpec]) -> None:
        """See to it that the streams exist; partitions are added where there are too few.

        Raises ConflictError when a stream exists with more partitions than wanted, or with
        another ``compacted``.
        """

    @abstractmethod
    async def delete_streams(self, names: Sequence[str]) -> None:
        """Delete streams with all their records. Unknown names are ignored. Who reads a deleted
        stream gets no more records of it; who owns partitions of one loses them."""

    @abstractmethod
    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        """Write records, and return when all are acknowledged, in the order of ``outputs``.

        Raises NotFoundError for an unknown stream or partition, TooLargeError for a record over
        the transport's limit, OverloadedError at a bound; nothing is written then. Raises
        PartlyWrittenError where that is true of some, and others are written. Raises NotReadyError
        when the acknowledgement is missing; some may have been written then.
        """

    @abstractmethod
    async def compete(
        self, group: str, stream: str, owner: Owner, *, atomic: bool = False
    ) -> Membership:
        """Take part in sharing the partitions of ``stream`` within ``group``. ``atomic``: what is
        written and what is finished with it is one (exactly once), if the transport can do that.

        ``owner.won`` and ``owner.lost`` are called as partitions come and go, one call at a time
        for each partition. Raises NotFoundError for an unknown stream.
        """

    async def share(self, group: str, stream: str) -> ShareReader:
        """Take part in handing out the records of ``stream``, one by one, within ``group``, which
        is a name of its own: nobody competes in it. Begins with the first record that is there.

        Raises NotFoundError for an unknown stream, UnsupportedError where the transport cannot do
        that.
        """
        raise UnsupportedError(
            f"'{stream}' cannot be handed out record by record (dataflow.shareGroup) by the "
            f"transport {type(self).__name__}; leave shareGroup out, or use the transport kafka"
        )

    @abstractmethod
    def read(
        self, ownership: Ownership, streams: Sequence[str], passing: str | None = None
    ) -> Reader:
        """A reader of the owned partition number of ``streams``, from the group's progress on.

        ``streams`` may hold the competed-for stream and others that have that partition number.
        Records with the header ``passing`` are not given: they count as done when they are come
        to, without having been taken. Raises FencedError when the ownership is over, NotFoundError
        for an unknown stream.
        """

    @abstractmethod
    async def read_all(self, ownership: Ownership, stream: str) -> Sequence[Record]:
        """What the owned partition number of a compacted stream holds at some moment of the call:
        the last record of each key, none of which is REMOVED.

        Reads what every earlier owner has finished, whatever the group's progress. Raises
        FencedError when the ownership is over, NotFoundError for an unknown stream.
        """

    @abstractmethod
    async def extents(self, stream: str) -> Sequence[Extent]:
        """What the partitions of a stream hold at some moment of the call, by their numbers.

        Raises NotFoundError for an unknown stream.
        """

    @abstractmethod
    async def backlog(self, group: str, streams: Sequence[str]) -> Mapping[str, int]:
        """How many records of each stream a group has not finished, over all partitions.

        Those count that were there when this was called, whether somebody owns their partition or
        not, and has taken them or not. What was finished a moment ago may count still; so may what
        a transport keeps among records. Unknown streams are left out. Raises NotReadyError when the
        other side cannot be had, ForbiddenError where it does not tell.
        """

    @abstractmethod
    async def tail(self, stream: str, partition: int, begin: From) -> Tail:
        """Begin to read a partition without owning it. What is written once this has returned is
        read.

        Raises NotFoundError for an unknown stream or partition.
        """

    @abstractmethod
    async def resign(self, ownership: Ownership) -> None:
        """Give a partition up with which the owner cannot go on: ``owner.lost`` is called, and
        somebody wins it anew, which may be the same. What was taken counts as taken. Nothing is
        done when the ownership is over."""

    @abstractmethod
    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        """Write ``outputs``, and mark ``deliveries`` as done, in whatever order they were given.

        The outputs are acknowledged before anything counts as done; where the ownership is
        ``atomic``, both are one. An acknowledgement that does not come is waited for and asked
        for again, without writing anything twice; where it cannot be known what was done, the
        ownership is over. Raises FencedError, and what :meth:`publish` raises but NotReadyError,
        PartlyWrittenError only where the ownership is not ``atomic``; nothing counts as done then.

        ``handed`` is called once when all is on its way in the owner's name, which may be before
        it is acknowledged; where the ownership is ``atomic``, only when it is done.
        """

    @abstractmethod
    async def give_back(self, ownership: Ownership, deliveries: Sequence[Delivery]) -> None:
        """Undo the taking of deliveries that are not finished.

        They come again, to this owner or the next, with the attempt that they had, before those
        behind them. Raises FencedError.
        """
