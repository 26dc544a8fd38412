"""A pipeline as the engine runs it: every reference resolved to an index, every join made.

A plan never changes after it is compiled, two things apart: the joins' tables of remembered
decisions grow towards what the strategies would answer anyway, and the places for rounds of loops
are made when so many rounds are under way together for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias, final
from zlib import crc32

from penstock.core.contracts.join import Decision, JoinStrategy, Keep
from penstock.core.plan.rest import Rest
from penstock.core.records import Absent, Port
from penstock.core.request_key import RequestKey
from penstock.core.resources import Pipeline

Recording: TypeAlias = Literal["boundary", "all", "none"]
"""Which ports of a pipeline are kept: its input and output, all of them, or none."""

PIPELINE_SUFFIX: Final = ".pipeline"
"""What tells the name of a pipeline from that of a model, which has no dot."""


class ExternalPort(NamedTuple):
    """A port of another pipeline, or of a step of it."""

    pipeline: str
    port: Port

    def __str__(self) -> str:
        """As references have it: ``credit.step.forest.outputs``."""
        step, side = self.port
        return f"{self.pipeline}.{side}" if step is None else f"{self.pipeline}.step.{step}.{side}"


class Part(NamedTuple):
    """How one source is made from the record of its port.

    ``tensor`` is the one that is wanted, None for the whole port; ``rename`` is its new name, and
    ``renames`` those of a whole port's tensors. ``left_out`` is how the source ends when the
    record lacks the tensor.
    """

    position: int
    tensor: str | None
    rename: str | None
    renames: Mapping[str, str] | None
    left_out: Absent


class Feed(NamedTuple):
    """All that the record of one port means to one consumer: its sources there end together.

    ``direct`` marks a consumer that runs as soon as this is a value, since it has no other source
    and no trigger, so that there is nothing to keep between records; ``whole`` a source that takes
    the record just as it is.
    """

    consumer: int
    inputs: tuple[Part, ...]
    triggers: tuple[Part, ...]
    direct: bool
    whole: bool


@dataclass(frozen=True, slots=True)
class KeptJoin:
    """What one join of a pipeline keeps across requests, of so many ``sources`` and by which one
    it is driven. ``consumer`` is its step, or for the output the pipeline.

    ``signature`` says what it is made of: versions of the pipeline in which that is the same go on
    with the same state.
    """

    consumer: str
    signature: str
    keep: Keep
    sources: int
    driver: int
    by_key: bool


@dataclass(frozen=True, slots=True, eq=False)
class JoinPlan:
    """One join of a consumer, ``kept`` where it keeps state.

    ``decisions`` remembers what a strategy that reads states only has
    answered; None where the strategy must be asked every time. ``runs_on_value`` says that its
    only source being a value is known to be enough.
    """

    strategy: JoinStrategy
    references: tuple[str, ...]
    decisions: dict[int, Decision] | None
    runs_on_value: bool
    kept: KeptJoin | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Consumer:
    """What joins sources: a step, or the pipeline's output (``name`` is then ``output``).

    ``index`` is its number in the plan, the same in every round of a loop; ``place`` is where a
    passage keeps its visit, of which each round of a loop has its own.
    ``auto_window`` says that a window ends with what is left when the rest of the pipeline has what
    it needs; ``window_ms`` is then infinity.
    ``may_clash`` says that two of the sources can bring tensors of one name, which is known not to
    happen when every source is a tensor with a name of its own. ``quick`` says that nothing but
    the states of its inputs decides: no trigger, no window, no strategy that looks at more.
    """

    index: int
    place: int
    name: str
    inputs: JoinPlan
    triggers: JoinPlan | None
    window_ms: float | None
    may_clash: bool
    auto_window: bool = field(default=False, kw_only=True)
    quick: bool = field(init=False)

    def __post_init__(self) -> None:
        quick = (
            self.triggers is None and self.window_ms is None and self.inputs.decisions is not None
        )
        object.__setattr__(self, "quick", quick)


class Turning(NamedTuple):
    """What a port inside a loop brings to one of its turns, in the next round.

    ``turn`` is the number of the turn in the loop, ``feed`` that of the feed in the block of the
    next round; ``parts`` are the sources there, of which one must be a value. The only source of a
    turn (``lone``, None where there are more) is fed as it was taken.
    """

    turn: int
    feed: int
    parts: tuple[Part, ...]
    lone: Part | None


class Member(NamedTuple):
    """Which step of a loop this is, in which block of places, and where its ports lead back to.

    ``lone_readers`` are the readers, by their numbers, that read nothing but its outputs and run on
    a value of theirs, so that its record decides for them about the round.
    """

    loop: int
    block: int
    number: int
    inputs_turning: tuple[Turning, ...]
    outputs_turning: tuple[Turning, ...]
    lone_readers: tuple[tuple[int, Part], ...]


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """How visits of one step share calls: at most ``size`` rows in one, which the first visit
    waits for at most ``window_ms``.

    The same for one step of one version, in every round and whether its requests are followed.
    """

    pipeline: str
    version: int
    step: str
    size: int
    window_ms: float


@final
@dataclass(frozen=True, slots=True, eq=False)
class StepPlan(Consumer):
    """One step. ``model`` is the name that it calls, with PIPELINE_SUFFIX that of a pipeline; times
    are in milliseconds.

    ``watched_inputs`` and ``watched_outputs`` say that somebody beyond its consumers is told how
    the port ended: its stream, or a loop. ``loop`` is None outside of loops.
    """

    model: str
    timeout_ms: float | None
    retries: int
    backoff_ms: float
    batch: BatchPlan | None
    failure_is_absence: bool
    input_feeds: tuple[Feed, ...]
    output_feeds: tuple[Feed, ...]
    keeps_inputs: bool
    keeps_outputs: bool
    watched_inputs: bool
    watched_outputs: bool
    loop: Member | None
    put_out_nothing: Absent
    begins_plainly: bool
    """Whether an attempt has no end of its own, and waits for no other visit."""
    plain: bool
    """Whether there is nothing to do but to call: nobody reads its inputs, no names can clash, and
    an attempt begins plainly."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Entrance(Consumer):
    """The input section of a pipeline that reads others: it joins what comes of them, and what it
    chooses is the input of a passage that they begin.

    ``feeds`` has for each port of another pipeline what its record means here; ``by_key`` says that
    records belong together by their key and order, and not by their identity.
    """

    feeds: Mapping[ExternalPort, Feed]
    by_key: bool


@final
@dataclass(frozen=True, slots=True, eq=False)
class ReaderRound(Consumer):
    """What a consumer outside of a loop would do about one round of it.

    ``target`` is that consumer, ``reader`` its number among the loop's. ``inputs_inside`` and
    ``triggers_inside`` are the positions of the sources that the loop brings.
    """

    target: Consumer
    loop: int
    block: int
    reader: int
    inputs_inside: frozenset[int]
    triggers_inside: frozenset[int]


@dataclass(frozen=True, slots=True, eq=False)
class LoopBlock:
    """Places for the visits of one round, ``first`` to ``end``; used again when a round is over.

    ``entry_feeds`` are what ports outside mean to the round, ``turn_feeds`` what ports of the
    round before mean to turns of it (see :class:`Turning`).
    """

    number: int
    first: int
    end: int
    steps: tuple[StepPlan, ...]
    readers: tuple[ReaderRound, ...]
    entry_feeds: Mapping[Port, tuple[Feed, ...]]
    turn_feeds: tuple[tuple[Feed], ...]


@dataclass(frozen=True, slots=True, eq=False)
class LoopPlan:
    """One loop. Its rounds after the first have places of their own in ``consumers`` of the plan.

    ``blocks`` has those that are made already, the first for round 0; :meth:`block` makes more, of
    which there are as many as rounds were ever under way together. ``turns`` are numbers of steps
    in the loop, ``all_turns`` the same with a bit for each. ``closed_turns`` are those that nothing
    outside brings to round 0. ``readers_that_join`` are the numbers of readers that are no lone
    ones (see :class:`Member`).
    """

    turns: tuple[int, ...]
    all_turns: int
    readers_that_join: tuple[int, ...]
    closed_turns: tuple[StepPlan, ...]
    most_visits: int
    blocks: list[LoopBlock]
    make_block: Callable[[int], LoopBlock]

    def block(self, number: int) -> LoopBlock:
        """The block of that number; at most one more than there are."""
        if number == len(self.blocks):
            self.blocks.append(self.make_block(number))
        return self.blocks[number]


LineName: TypeAlias = tuple[str, int]
"""A pipeline, whatever its version, and the number of a partition."""


@dataclass(frozen=True, slots=True, eq=False)
class OrderPlan:
    """How answers keep the order of their requests: within a partition, or of each key in it.

    At most ``max_held`` answers of a partition are held back.
    """

    by_key: bool
    partitions: int
    max_held: int

    def partition_of(self, key: bytes) -> int:
        """The number of the partition of a key, the same in every process."""
        return crc32(key) % self.partitions

    def lane_of(self, key: bytes) -> bytes:
        """What is the same, within a partition, for requests whose answers keep their order."""
        return key if self.by_key else b""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One version of one pipeline, compiled.

    ``consumers`` holds the steps in the manifest's order and then the output, if there is one:
    these are ``width``. Behind them it has what rounds of loops need, and the entrance:
    ``places`` are all of which a passage keeps a visit from its beginning on. ``crossings`` are the
    ports that count in every round of loops, with the numbers of these.
    ``async_deadline_ms`` is the time for a request that nobody waits for, None for the default.
    ``single_model`` marks the plan of a model that is called on its own.
    ``entrance`` is there when the pipeline reads others, ``read`` are its own ports that others
    read. ``key`` is where requests have their key, None where that is their identity,
    ``order`` is None where answers come as they get ready.
    """

    name: str
    version: int
    steps: tuple[StepPlan, ...]
    output: Consumer | None
    width: int
    places: int
    consumers: list[Consumer]
    input_feeds: tuple[Feed, ...]
    keeps_input: bool
    keeps_output: bool
    emits: bool = False
    """Whether any port emits what it holds: it is kept, or has a tap."""
    record: Recording = "none"
    tapped: frozenset[Port] = frozenset()
    """The ports that emit what they hold only because of a tap."""
    pipeline: Pipeline | None = None
    """The manifest that this was made of; None for a model that is called on its own."""
    variant: Callable[[frozenset[Port]], Plan] | None = None
    """Compiles the same once more, so that these ports emit as well what they hold."""
    loops: tuple[LoopPlan, ...] = ()
    crossings: Mapping[Port, tuple[int, ...]] = field(default_factory=dict)
    async_deadline_ms: float | None = None
    single_model: bool = False
    entrance: Entrance | None = None
    read: frozenset[Port] = frozenset()
    matched: bool = False
    """Whether others match what they read of it by key, over streams, and so count its records."""
    models: tuple[str, ...] = ()
    """The names of the models that the steps call, each once, in the order of the steps."""
    pipelines: tuple[str, ...] = ()
    """The names of the pipelines that steps are, likewise."""
    key: RequestKey | None = None
    partitions: int = 1
    """How many partitions each of its streams has."""
    keeping: tuple[Consumer, ...] = ()
    """Those whose joins keep state across requests."""
    rest: Rest = ()
    """How steps follow each other, for joins whose windows depend on it; empty without such."""
    order: OrderPlan | None = None
    called_elsewhere: Mapping[str, str] = field(default_factory=dict)
    """The steps whose calls are left to model gateways, each with how it is to be called (see
    :func:`penstock.core.plan.single_step.settings_of`); none but in layout spread."""
    followed: Plan | None = None
    """The same once more, with every port emitted: for requests that somebody follows. None where
    nobody does."""
    exactly_once: bool = field(init=False)
    """Whether, over streams, all that a request writes is written with its end, as one."""
    minds_input: bool = field(init=False)
    """Whether there is anything to do about a request that enters, beside running it."""
    minds_output: bool = field(init=False)
    """Whether there is anything to do about an answer, beside giving it."""

    def line_of(self, key: bytes) -> LineName:
        """The name of the partition of a key, of whatever version; the plan keeps an order."""
        assert self.order is not None, "only who keeps an order has lines"
        return self.name, self.order.partition_of(key)

    def __post_init__(self) -> None:
        written = None if self.pipeline is None else self.pipeline.spec.delivery
        counts = self.matches_by_key or self.matched
        once = written == "exactly-once" or (written is None and counts)
        object.__setattr__(self, "exactly_once", once)
        ordered = self.order is not None
        object.__setattr__(self, "minds_input", self.keeps_input or ordered or bool(self.keeping))
        object.__setattr__(self, "minds_output", self.keeps_output or ordered)

    @property
    def kept_joins(self) -> tuple[KeptJoin, ...]:
        """What its joins keep across requests."""
        joins = (consumer.inputs.kept for consumer in self.keeping)
        return tuple(join for join in joins if join is not None)

    @property
    def keeper_of_all(self) -> str | None:
        """Whose join keeps state for all requests, so that they need one partition; the first."""
        whole = (join.consumer for join in self.kept_joins if not join.by_key)
        return next(whole, None)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the pipelines that it reads, likewise."""
        return tuple(dict.fromkeys(port.pipeline for port in self.external))

    @property
    def matches_by_key(self) -> bool:
        """Whether what it reads goes together by key and order."""
        return self.entrance is not None and self.entrance.by_key

    @property
    def external(self) -> Mapping[ExternalPort, Feed]:
        """The ports of other pipelines that are read, with what their records mean."""
        return NO_FEEDS if self.entrance is None else self.entrance.feeds


NO_FEEDS: Final[Mapping[ExternalPort, Feed]] = MappingProxyType({})
