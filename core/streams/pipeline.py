"""What a worker knows of one pipeline whose input stream it reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from penstock.core.contracts.follower import Follower
from penstock.core.contracts.transport import Delivery, StreamSpec
from penstock.core.dataflow import Deployment
from penstock.core.experiments.split import Observe, nobody_looks
from penstock.core.plan import Plan
from penstock.core.records import Port
from penstock.core.request_headers import TRAVELLING_HEADERS
from penstock.core.streams.gathered import GatheredRequest
from penstock.core.streams.gathered_input import GatheredInput, entrance_alone
from penstock.core.streams.limits import StreamLimits
from penstock.core.streams.names import StreamNames
from penstock.core.streams.paired_input import PairedInput
from penstock.core.streams.pairing import Pairing
from penstock.core.streams.readers import StreamReaders
from penstock.core.streams.recent import RecentRequests
from penstock.core.streams.request import StreamRequest

if TYPE_CHECKING:
    from penstock.core.streams.tenure import Tenure

MakeRequest: TypeAlias = "Callable[[Tenure, Delivery, Deployment], StreamRequest]"
"""Makes the request of a record."""

_INPUTS = Port(None, "inputs")
_OUTPUTS = Port(None, "outputs")


def answers_directly(plan: Plan) -> bool:
    """Whether a gateway may run requests to a pipeline, and answer before streams have them.

    Its manifest has to say so, and nothing in it may ask for the one owner of a partition: an
    answer that is written exactly once, an order of answers, state across requests, or others who
    read what it puts out.
    """
    assert plan.pipeline is not None, "models have no layout"
    spec = plan.pipeline.spec
    owned = plan.exactly_once or plan.order is not None or bool(plan.keeping) or bool(plan.read)
    return spec.layout == "direct" and not owned


def is_shared(plan: Plan) -> bool:
    """Whether workers are handed out requests to a pipeline one by one."""
    said = None if plan.pipeline is None else plan.pipeline.spec.dataflow
    return said is not None and said.share_group


def streamed_ports(plan: Plan) -> list[Port]:
    """The ports that have a stream."""
    ports = [_INPUTS] if plan.output is None else [_INPUTS, _OUTPUTS]
    every = plan.pipeline is not None and plan.pipeline.spec.layout == "spread"
    for step in plan.steps:
        ports += [Port(step.name, "inputs")] if every or step.keeps_inputs else []
        ports += [Port(step.name, "outputs")] if every or step.keeps_outputs else []
    return ports


def streams_of(plan: Plan, names: StreamNames, partitions: int) -> list[StreamSpec]:
    """The streams that a version reads and writes, dead letters and replies apart."""
    specs = [StreamSpec(names.of(plan.name, port), partitions) for port in streamed_ports(plan)]
    if plan.external:
        specs.append(StreamSpec(names.externals(plan.name), partitions))
    if is_shared(plan):
        specs.append(StreamSpec(names.aside(plan.name), partitions))
    if plan.output is None:
        specs.append(StreamSpec(names.ended(plan.name), partitions))
    return specs + [StreamSpec(name, partitions, True) for name in _state_streams(plan, names)]


def _state_streams(plan: Plan, names: StreamNames) -> list[str]:
    kept = [names.state(plan.name, join.consumer) for join in plan.kept_joins]
    return [*kept, names.owed(plan.name)] if plan.matches_by_key else kept


class StreamedPipeline:
    """One pipeline at one worker, over all the partitions and versions that it has of it.

    ``deployment`` is the newest version, with which requests begin. ``exactly_once`` says that all
    that a request writes is written when it is finished, as one; else an answer goes out as soon
    as it is there. ``travelling`` are the headers that go on with what follows from a record.
    ``running`` counts requests of which anything is under way. ``externals`` is the stream in which
    it is brought together what the pipeline reads of others, None where it reads none; and
    ``matches_by_key`` says whether that goes together by key and order. ``readers``
    knows who reads this one. Where requests are handed out one by one it ``is_shared``, and owners
    get what is put ``aside``. ``followers`` may follow requests, where ``kind`` makes those that
    can be.
    """

    __slots__ = (
        "_calls",
        "_entrance",
        "_kind",
        "_shared",
        "_streams",
        "aside",
        "deployment",
        "exactly_once",
        "externals",
        "followers",
        "heard",
        "inputs",
        "is_of_a_step",
        "is_shared",
        "limits",
        "matches_by_key",
        "name",
        "names",
        "observe",
        "open",
        "outputs",
        "partitions_held",
        "readers",
        "recent",
        "running",
        "travelling",
    )

    def __init__(
        self,
        deployment: Deployment,
        names: StreamNames,
        limits: StreamLimits,
        *,
        exactly_once: bool = False,
        travelling: frozenset[str] = TRAVELLING_HEADERS,
        step: str | None = None,
        readers: StreamReaders | None = None,
        followers: tuple[Follower, ...] = (),
        kind: MakeRequest = StreamRequest,
        observe: Observe = nobody_looks,
    ) -> None:
        self._kind = kind
        self.observe = observe
        self.followers = followers
        self.name = deployment.plan.name
        self.deployment = deployment
        self.names = names
        self.limits = limits
        self.exactly_once = exactly_once
        self.travelling = travelling
        self.inputs = names.of(self.name, Port(step, "inputs"))
        self.outputs = names.of(self.name, Port(step, "outputs"))
        reads_others = step is None and bool(deployment.plan.external)
        self.externals = names.externals(self.name) if reads_others else None
        self.is_shared = step is None and is_shared(deployment.plan)
        self.aside = names.aside(self.name)
        self.matches_by_key = step is None and deployment.plan.matches_by_key
        self.readers = StreamReaders(names) if readers is None else readers
        self.running = 0
        self.partitions_held = 0
        self.is_of_a_step = step is not None
        self._shared: Plan | None = None
        self._entrance: tuple[Deployment, Deployment] | None = None
        """A version, and what makes the inputs of its requests."""
        self._calls = 0
        self.heard: dict[str, str] = {}
        """The streams in which it is said how calls went that were left to model gateways, with the
        step of each."""
        self.hear(deployment.plan)
        self.open: dict[str, StreamRequest] = {}
        self.recent = RecentRequests(limits.dedup_requests)
        self._streams: dict[Port, str] = {}

    @property
    def share_of_one(self) -> int:
        """How many records of one partition may be in hand: a step calls its model for each, and
        what a model has no room for is to wait in its stream. A model of several steps may be
        called by all of them at once."""
        plan = self.deployment.plan
        if plan is not self._shared:
            self._shared, self._calls = plan, self._calls_at_once(plan)
        if not self._calls:
            return self.limits.in_flight
        return max(1, self.limits.in_flight // (self._calls * max(1, self.partitions_held)))

    def _calls_at_once(self, plan: Plan) -> int:
        """How many calls of one model a request may make here at once; none where model gateways
        make them, or this is one, which takes no more than it can call."""
        if plan.called_elsewhere or self.is_of_a_step:
            return 0
        return max(Counter([step.model for step in plan.steps]).values(), default=1)

    def hear(self, plan: Plan) -> None:
        """Requests are about to begin with a version: its calls elsewhere are to be heard of."""
        for step in plan.called_elsewhere:
            self.heard[self.names.of(self.name, Port(step, "outputs"))] = step

    def hears(self, plan: Plan) -> bool:
        """Whether all calls elsewhere of a version are heard of."""
        ports = [Port(step, "outputs") for step in plan.called_elsewhere]
        return all(self.stream_of(port) in self.heard for port in ports)

    def request(self, tenure: Tenure, delivery: Delivery) -> StreamRequest:
        """The request that a record of the input stream is."""
        return self._kind(tenure, delivery, self.deployment)

    def gathered(self, tenure: Tenure, delivery: Delivery) -> GatheredRequest:
        """The request that a record of another pipeline may begin. Where what is asked of the
        pipeline needs one order, only its input is made here."""
        plan = self.deployment.plan
        if plan.order is None and not plan.keeping:
            return GatheredRequest(tenure, delivery, self.deployment)
        return GatheredInput(tenure, delivery, self._joining())

    def paired(self, tenure: Tenure, delivery: Delivery, pairing: Pairing) -> PairedInput:
        """The same, where records go together by their key and order."""
        return PairedInput(tenure, delivery, self._joining(), pairing)

    def _joining(self) -> Deployment:
        """What makes the inputs of the newest version."""
        if self._entrance is None or self._entrance[0] is not self.deployment:
            plan = entrance_alone(self.deployment.plan)
            self._entrance = self.deployment, Deployment(plan, (), self.deployment.tally)
        return self._entrance[1]

    @property
    def most_waiting(self) -> int:
        """How many requests of one partition may wait for other pipelines, each with all that was
        brought to it but the last."""
        return self.limits.waiting // max(1, len(self.deployment.plan.external) - 1)

    def fits(self, deployment: Deployment) -> bool:
        """Whether a version is worked on through the same streams that are read now."""
        plan = deployment.plan
        reads = (self.externals is not None) is bool(plan.external)
        same = self.is_shared is is_shared(plan)
        return reads and same and self.matches_by_key is plan.matches_by_key

    def passes_over(self, request: StreamRequest) -> bool:
        """Whether nothing is to be done about a request."""
        return self.knows(request.known_as)

    def stream_of(self, port: Port) -> str:
        """The name of a port's stream."""
        stream = self._streams.get(port)
        if stream is None:
            stream = self._streams[port] = self.names.of(self.name, port)
        return stream

    @property
    def owned(self) -> str:
        """The stream whose partitions have owners."""
        return self.aside if self.is_shared else self.inputs

    def inlets(self) -> list[str]:
        """The streams that owners read."""
        return [self.owned] if self.externals is None else [self.owned, self.externals]

    def streams(self, partitions: int) -> list[StreamSpec]:
        """The streams that the newest version reads and writes, dead letters apart."""
        return streams_of(self.deployment.plan, self.names, partitions)

    def state_streams(self) -> list[str]:
        """The streams in which the newest version's joins keep state."""
        return _state_streams(self.deployment.plan, self.names)

    def knows(self, name: str) -> bool:
        """Whether a request is under way here, or among the last that ended."""
        return name in self.open or name in self.recent
