"""One record of an input stream on its way, from when it is taken to when it is finished."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, TypeVar

from penstock.core.contracts.gateway import Ticket
from penstock.core.contracts.transport import Delivery, Output
from penstock.core.crossing import crossed
from penstock.core.dataflow import Deployment, Passenger
from penstock.core.engine import Answer, Effects, Emit, Passage, Retried, StateChanged, Tally
from penstock.core.errors import InvalidRequestError, NoOutputError
from penstock.core.plan import Plan
from penstock.core.records import Absent, Body, Failed, Headers, Port, Record
from penstock.core.request_headers import IDENTITY_HEADER
from penstock.core.request_key import RequestKey
from penstock.core.streams.counted_arms import ArmsOutcome
from penstock.core.streams.headers import (
    CALL_HEADER,
    COUNTED_HEADER,
    GATHERED_HEADER,
    KEPT_HEADER,
    REPLY_TO_HEADER,
    WANTED_HEADER,
    answer_headers,
    dead_letter,
    deadline_of,
)
from penstock.core.streams.names import EXTERNALS, StreamNames
from penstock.core.streams.omitted import without_tensors
from penstock.core.streams.parent import Parent
from penstock.core.streams.readers import StreamReaders
from penstock.core.streams.state_records import without_contents
from penstock.core.streams.visits import VisitsElsewhere

if TYPE_CHECKING:
    from penstock.core.streams.tenure import Tenure

PassageT = TypeVar("PassageT", bound=Passage)

_INPUTS = Port(None, "inputs")
_OUTPUTS = Port(None, "outputs")


def place_of(delivery: Delivery) -> str:
    """Where a record stands: ``<stream>/<partition>/<offset>``."""
    return f"{delivery.stream}/{delivery.partition}/{delivery.offset}"


def identity_of(delivery: Delivery) -> str:
    """The identity that a record brings, else the place where it stands."""
    record = delivery.record
    return record.headers.get(IDENTITY_HEADER) or record.identity or place_of(delivery)


def key_of(record: Record, wanted: RequestKey) -> bytes:
    """The key of a request, where the pipeline says what it is.

    Raises InvalidRequestError when the record lacks it, and when the record was written with
    another: requests of one key would be in several partitions then.
    """
    body = record.body
    tensors = () if isinstance(body, Absent | Failed) else body
    key = wanted.of(record.headers, tensors)
    if record.key not in (b"", key):
        raise InvalidRequestError(
            f"the record was written with another key than its pipeline '{wanted.pipeline}' takes "
            f"from '{wanted.name}'; write it with that one, which decides the partition"
        )
    return key


def _code_of(body: Body) -> str:
    """What a request counts as that has ended with this."""
    if isinstance(body, Failed):
        return body.code
    return NoOutputError.code if isinstance(body, Absent) else "ok"


class StreamRequest(Parent):
    """A request and its passenger: collects what is to be written, and says when it has ended.

    ``lane`` are the requests whose answers keep one order with its own, None where there is none.
    ``counted`` says that joins number what requests bring, so that it counts only when all that
    came before have ended. ``reply_partition`` is where a gateway waits for the answer, None where
    nobody does: then what fails is a dead letter. ``unwritten`` waits for the next batch.
    ``answered_once`` says that the request's outcome is decided, ``ended`` that nothing of it is
    under way. ``refused`` says that the transport refused what it wrote, ``under_way`` counts the
    batches that are, with something of it, and ``is_written`` says that it waits for one of them.
    ``is_inside`` says that it counts as being at work in this process. ``failure`` is the first
    that its output does not tell of. ``elsewhere`` has its visits that model gateways carry out,
    ``children`` the requests that its steps have begun, None where there are none. ``asking``
    counts those that it has left to others, ``calling`` the calls that are on their way by
    themselves and not there yet. ``arms`` is what is counted of it for experiments, None where
    nothing is.
    """

    __slots__ = (
        "answered_once",
        "arms",
        "asking",
        "calling",
        "children",
        "counted",
        "delivery",
        "deployment",
        "duplicate",
        "elsewhere",
        "ended",
        "failure",
        "headers",
        "identity",
        "is_inside",
        "is_written",
        "key",
        "lane",
        "passage",
        "refused",
        "reply_partition",
        "tenure",
        "under_way",
        "unwritten",
    )

    def __init__(self, tenure: Tenure, delivery: Delivery, deployment: Deployment) -> None:
        self.tenure = tenure
        self.delivery = delivery
        self.deployment = deployment
        self.identity = identity_of(delivery)
        headers = delivery.record.headers
        travelling = tenure.pipeline.travelling
        self.headers: Headers = {name: headers[name] for name in headers if name in travelling}
        self.reply_partition = tenure.pipeline.names.reply_partition(headers.get(REPLY_TO_HEADER))
        self.key = delivery.record.key
        self.lane: bytes | None = None
        self.counted = False
        self.passage: Passage | None = None
        self.elsewhere: VisitsElsewhere | None = None
        self.children: dict[Ticket, None] | None = None
        self.asking = 0
        self.calling = 0
        self.arms: ArmsOutcome | None = None
        self.unwritten: list[Output] = []
        self.answered_once = False
        self.ended = False
        self.duplicate = False
        self.refused = False
        self.is_written = False
        self.under_way = 0
        self.is_inside = True
        self.failure: Failed | None = None

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """What is finished with it."""
        return [self.delivery]

    @property
    def known_as(self) -> str:
        """By what it is known whether it has come before."""
        return self.identity

    @property
    def is_gathered(self) -> bool:
        """Whether its record is the input that was made of what other pipelines put out."""
        record = self.delivery.record
        return GATHERED_HEADER in record.headers and record.undecoded is None

    @property
    def place(self) -> str:
        """What its calls are named by, among those of one ownership."""
        return str(self.delivery.offset)

    # How it begins ------------------------------------------------------------------------------

    def begin(self, now_ms: float, failure: Failed | None = None) -> None:
        """Enter the newest version of the pipeline; with a ``failure`` only to be answered."""
        pipeline = self.tenure.pipeline
        self.deployment = deployment = pipeline.deployment
        plan = deployment.plan
        record = self.delivery.record
        deadline_ms: float | None = None
        try:
            deadline_ms = deadline_of(record.headers)
            if failure is None and plan.key is not None and not self.is_gathered:
                self.key = key_of(record, plan.key)
        except InvalidRequestError as error:
            failure = failure or Failed(error.code, error.message)
        if deadline_ms is None and isfinite(record.deadline_ms):
            deadline_ms = record.deadline_ms
        if deadline_ms is None:
            deadline_ms = now_ms + (plan.async_deadline_ms or pipeline.limits.deadline_ms)
        passage = self.enter(plan, deployment.tally, self, now_ms, deadline_ms)
        self.passage = passage
        pipeline.running += 1
        self._see_to_calls(plan)
        if plan.order is not None:
            self.lane = plan.order.lane_of(passage.record_key)
        if plan.keeping:
            self.counted = any(join.keep.numbered for join in plan.kept_joins)
        body = record.body
        if failure is not None:
            for port in plan.read - {_OUTPUTS}:
                self._hand_on(port, failure, 0)
            self.tenure.carrier.refuse(passage, failure)
        else:
            nothing = isinstance(body, Absent | Failed) and not self.is_gathered
            self.tenure.carrier.begin(passage, () if nothing else body, self.delivery.offset)

    def _see_to_calls(self, plan: Plan) -> None:
        if plan.called_elsewhere:
            self.elsewhere = VisitsElsewhere(self, plan)

    def enter(
        self, plan: Plan, tally: Tally, passenger: Passenger, now_ms: float, deadline_ms: float
    ) -> Passage:
        """The request on its way."""
        return self.on_its_way(Passage, plan, tally, passenger, now_ms, deadline_ms)

    def on_its_way(
        self,
        kind: type[PassageT],
        plan: Plan,
        tally: Tally,
        passenger: Passenger,
        now_ms: float,
        deadline_ms: float,
    ) -> PassageT:
        """A passage with what its record says."""
        record = self.delivery.record
        return kind(
            plan,
            self.identity,
            now_ms,
            deadline_ms,
            record.request_id,
            record.parameters,
            self.headers,
            tally,
            passenger,
            key=self.key,
            ownership=self.tenure.ownership,
        )

    def pass_over(self) -> None:
        """It is known already: nothing of it is to be done."""
        self.duplicate = True
        self.closed()

    # What the dataflow says of it ---------------------------------------------------------------

    def answered(self, answer: Answer, now_ms: float) -> None:
        """The output has been decided."""
        self.answered_once = True
        body = answer.body
        self.write(_OUTPUTS, body, 0, self._answer_headers(answer))
        if self.reply_partition is not None:
            answered = self.unwritten[-1].record
            replies = self.tenure.pipeline.names.replies
            # First, for somebody waits for it, and a transport may write one after the other.
            self.unwritten.insert(-1, Output(replies, answered, self.reply_partition))
        else:
            self._count(body)
            if isinstance(body, Failed) and self.is_to_bury():
                self._bury(body)
        self.tenure.answered(self)
        if answer.passage.left:
            # Else it ends at once, and its answer goes with the rest.
            self.tenure.progressed(self)

    def emitted(self, record: Emit, now_ms: float, out: Effects) -> None:
        """A port that is kept has ended. Input and output are written whether kept or not."""
        if self.deployment.plan.read:
            self._told_of(record)
        if self.elsewhere is not None and self.elsewhere.sees_to(record):
            return
        if record.port.step is not None:
            self.write(record.port, record.body, record.round, self.headers)

    def headers_of(self, record: Emit) -> Headers:
        """Those of the request."""
        return self.headers

    def retried(self, attempt: Retried) -> None:
        """Streams hold how ports end, not what was tried before."""

    def buried(self, failure: Failed, now_ms: float) -> None:
        """There is a failure that the output does not tell of."""
        self._bury(failure)
        self.failure = self.failure or failure

    def changed(self, change: StateChanged) -> None:
        """It has changed what a join keeps across requests."""
        self.unwritten += self.tenure.state.outputs(change)

    def closed(self) -> None:
        """Nothing of it is under way any more."""
        if self.passage is not None:
            self.tenure.pipeline.running -= 1
            if not self.answered_once:
                self._tell_end()
        # The passage knows us, and a circle would leave both to the garbage collector.
        self.passage = None
        self._end_if_over()

    # What its children say ----------------------------------------------------------------------

    def places(self) -> tuple[StreamNames, StreamReaders]:
        pipeline = self.tenure.pipeline
        return pipeline.names, pipeline.readers

    def child_began(self, child: Ticket) -> None:
        if self.children is None:
            self.children = {}
        self.children[child] = None

    def child_wrote(self, outputs: Sequence[Output]) -> None:
        self.unwritten += outputs
        self.tenure.progressed(self)

    def child_ended(self, child: Ticket) -> None:
        assert self.children is not None, "it has begun"
        del self.children[child]
        self._end_if_over()

    def asked(self) -> None:
        self.asking += 1
        self.tenure.rests(self)

    def told(self) -> None:
        self.asking -= 1
        if not self.asking:
            self.tenure.goes_on(self)

    # What becomes of its calls ------------------------------------------------------------------

    def call_written(self) -> None:
        """One that went by itself is there."""
        self.calling -= 1
        self._end_if_over()

    def call_refused(self, call: Output, failure: Failed) -> None:
        """The transport will not have it: its step fails, and its record goes with the rest."""
        self.unwritten.append(self._uncalled(call, failure))
        self.call_written()

    def _uncalled(self, call: Output, failure: Failed) -> Output:
        assert self.elsewhere is not None, "it has left a call to others"
        uncalled = self.elsewhere.refused(call.record, failure)
        return call._replace(record=without_tensors(uncalled))

    def give_up(self) -> None:
        """Have nothing more done for it."""
        if self.passage is not None:
            self.tenure.carrier.cancel(self.passage)
        for child in list(self.children or ()):
            child.cancel()

    def finishes(self) -> None:
        """What it writes goes now with its end."""

    def _end_if_over(self) -> None:
        if self.passage is None and not (self.children or self.calling):
            self.ended = True
            self.tenure.progressed(self)

    def is_to_bury(self) -> bool:
        """Whether it is a dead letter when it fails and nobody waits for it."""
        # What is brought to it as a failure was told or buried where that was.
        return not (self.is_gathered and isinstance(self.delivery.record.body, Failed))

    # What it writes -----------------------------------------------------------------------------

    def _told_of(self, record: Emit) -> None:
        """Tell pipelines that read a port that it has ended; at once, for they may wait for it."""
        if record.port in self.deployment.plan.read:
            self._hand_on(record.port, record.body, record.round)
            if record.port != _OUTPUTS:
                self.tenure.progressed(self)

    def _hand_on(self, port: Port, body: Body, round_number: int) -> None:
        key = self.key or self.identity.encode()
        record = self._record(port, key, body, round_number, self.headers)
        self.unwritten += self.tenure.pipeline.readers.told(record)

    def _answer_headers(self, answer: Answer) -> Headers:
        """Those of the request, and what the answer's body has no place for."""
        more = answer_headers(answer)
        wanted = self.delivery.record.headers.get(WANTED_HEADER)
        if wanted is not None:
            more[WANTED_HEADER] = wanted
        return {**self.headers, **more} if more else self.headers

    def write(self, port: Port, body: Body, round_number: int, headers: Headers) -> None:
        """Have a record of a port written."""
        self.unwritten.append(self.output(port, body, round_number, headers))

    def output(self, port: Port, body: Body, round_number: int, headers: Headers) -> Output:
        """A record of a port, and where it belongs."""
        stream = self.tenure.pipeline.stream_of(port)
        record = self._record(port, self.key, body, round_number, headers)
        return Output(stream, record, self.delivery.partition)

    def _record(
        self, port: Port, key: bytes, body: Body, round_number: int, headers: Headers
    ) -> Record:
        plan = self.deployment.plan
        given = self.delivery.record
        return Record(
            self.identity,
            key,
            plan.name,
            plan.version,
            port,
            round_number,
            body,
            given.parameters,
            headers,
            given.deadline_ms if self.passage is None else self.passage.deadline_ms,
            given.request_id,
        )

    def _tell_end(self) -> None:
        """Where nothing is put out, say at least that it is over, and how."""
        if self.deployment.plan.output is None:
            pipeline = self.tenure.pipeline
            body = () if self.failure is None else self.failure
            record = self._record(_OUTPUTS, self.key, body, 0, self.headers)
            ended = pipeline.names.ended(pipeline.name)
            self.unwritten.append(Output(ended, record, self.delivery.partition))
            self._count(body)

    def _count(self, body: Body) -> None:
        """Its outcome is known, and nobody waits for it: what others are told of is counted where
        that is."""
        passage, tenure = self.passage, self.tenure
        assert passage is not None, "it is under way"
        took_ms = tenure.now_ms() - passage.opened_ms
        self.deployment.tally.count_answer(_code_of(body), took_ms)
        asked, observe = self.delivery.record, tenure.pipeline.observe
        self.arms = ArmsOutcome.of(asked, self.deployment.plan, body, took_ms, observe)

    def _bury(self, failure: Failed) -> None:
        """Have a dead letter written: the request whole, and what became of it."""
        delivery = self.delivery
        given = delivery.record
        record = self._record(_INPUTS, given.key, given.body, 0, given.headers)
        record = record._replace(undecoded=given.undecoded)
        letter = dead_letter(record, failure, delivery.attempt, place_of(delivery))
        self.unwritten.append(Output(self.tenure.pipeline.names.dead_letters, letter))

    def _is_own(self, output: Output) -> bool:
        """Whether a record is for the streams of its own pipeline, or those that all have."""
        own = output.record.pipeline == self.deployment.plan.name
        return own and not output.stream.endswith(EXTERNALS)

    def replace(self, refused: list[Output], failure: Failed) -> None:
        """The transport will not have what was to be written: say so in its place.

        The output fails, other ports keep the names of their tensors, a dead letter its headers.
        """
        left = [each for each in refused if self._is_own(each)]
        if len(left) < len(refused) and failure.code == "not-found":
            # Who read it was deleted, or was a step of it, and its streams with it.
            self.unwritten = left + self.unwritten
            return
        self.refused = True
        kept = []
        pipeline = self.tenure.pipeline
        for output in refused:
            if output.stream in (pipeline.outputs, pipeline.names.replies):
                kept.append(output._replace(record=output.record._replace(body=failure)))
                if self.reply_partition is None:
                    self._bury(failure)
            elif output.stream.endswith(EXTERNALS):
                told = crossed(failure, pipeline.name)
                kept.append(output._replace(record=output.record._replace(body=told)))
            elif output.record.headers.keys() & {KEPT_HEADER, COUNTED_HEADER}:
                kept.append(without_contents(output))
            elif self.elsewhere is not None and CALL_HEADER in output.record.headers:
                kept.append(self._uncalled(output, failure))
            else:
                kept.append(output._replace(record=without_tensors(output.record)))
        letters = [each._replace(record=without_tensors(each.record)) for each in self.unwritten]
        self.unwritten = kept + letters
