"""The time for which one worker owns one partition number of a pipeline."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from penstock.core.contracts.transport import (
    ALONE_FROM_ATTEMPT,
    Delivery,
    Output,
    Ownership,
)
from penstock.core.engine import ExternalPassage, Passage
from penstock.core.plan import Feed, Plan
from penstock.core.records import Body, Failed, Record
from penstock.core.state import StateChange
from penstock.core.streams.calls import CallDesk
from penstock.core.streams.gathered import GatheredRequest, port_of
from penstock.core.streams.headers import ANSWERED_HEADER
from penstock.core.streams.offered import OfferedCalls, on_its_way
from penstock.core.streams.pairing import Pairing
from penstock.core.streams.pipeline import StreamedPipeline
from penstock.core.streams.request import StreamRequest
from penstock.core.streams.state_records import StateRecords
from penstock.core.streams.turnstile import Turnstile

MOST_FINISHING: Final = 2
"""Batches of one partition that are under way at a time: an answer need not wait until the ones
before it are acknowledged."""

MOST_AHEAD: Final = 4
"""The same where requests leave calls to others: each goes through several of them."""


class Carrier(Protocol):
    """Who runs passages: a dataflow."""

    def begin(self, passage: Passage, given: Body, position: int | None = None) -> None:
        """Let a request into its pipeline, at its place in the order of requests.
        ``passage.context`` is told what comes of it."""

    def refuse(self, passage: Passage, failed: Failed) -> None:
        """Let a request in that has failed, for its answer to have its place among others."""

    def bring(self, passage: ExternalPassage, feed: Feed, body: Body, *, begins: bool) -> None:
        """A port of another pipeline has ended for a request, which it ``begins`` or not."""

    def end_join(self, passage: ExternalPassage) -> None:
        """A request waits for other pipelines no more, as at the end of its window."""

    def cancel(self, passage: Passage) -> None:
        """End what is left of a request."""

    def room_in(self, plan: Plan, partition: int) -> int:
        """How many requests more a partition takes whose answers keep an order. When it says none,
        somebody calls :meth:`Tenure.pump` when that may have changed."""

    def restore(
        self, plan: Plan, ownership: Ownership, changes: Mapping[str, Sequence[StateChange]]
    ) -> None:
        """Take up what the joins of a pipeline have kept of a partition, by their names."""

    def release(self, ownership: Ownership) -> None:
        """Let go of what joins have kept of a partition."""


class Batch(NamedTuple):
    """What is to be written and finished together.

    ``parts`` are the requests that wrote ``outputs``, each with how many of them in a row;
    ``over`` are those of them that are finished with it, ``awaited`` those that write nothing more
    before it is there.
    """

    deliveries: list[Delivery]
    outputs: list[Output]
    parts: list[tuple[StreamRequest, int]]
    over: list[StreamRequest]
    awaited: list[StreamRequest]

    def only(self, refused: Sequence[Output]) -> Batch:
        """What is left where all is done but these of its outputs."""
        wanted = {id(output) for output in refused}
        at = 0
        outputs: list[Output] = []
        parts: list[tuple[StreamRequest, int]] = []
        for request, count in self.parts:
            left = [each for each in self.outputs[at : at + count] if id(each) in wanted]
            parts.append((request, len(left)))
            outputs += left
            at += count
        return self._replace(outputs=outputs, parts=parts)


class PartitionAccess(Protocol):
    """What a tenure asks of the transport. Each is begun at once and answered later."""

    def restore(self, streams: Sequence[str]) -> None:
        """Read all of these state streams, and begin to hear how calls went that are left to model
        gateways, for :meth:`CallDesk.heard`: :meth:`Tenure.restored`, or ``fenced``."""

    def take(self, limit: int) -> None:
        """Take up to ``limit`` records: :meth:`Tenure.taken`, or :meth:`Tenure.fenced`."""

    def stop_taking(self) -> None:
        """Wait no longer for records: ``taken`` comes at once, of none if there were none."""

    def finish(self, batch: Batch) -> None:
        """Write and finish: :meth:`Tenure.finished`, ``refused`` or ``fenced``."""

    def publish(self, request: StreamRequest, call: Output) -> None:
        """Write a call, whatever becomes of its request: :meth:`Tenure.call_written`,
        ``call_refused`` or ``fenced``. It may be written more than once."""

    def pump_later(self) -> None:
        """Call :meth:`Tenure.pump` when what is happening now has happened."""

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Undo the taking of these: :meth:`Tenure.returned`, or ``fenced``."""

    def drained(self) -> None:
        """Nothing is in hand any more, and nothing will be taken."""


class Tenure:
    """Decides for one partition number what is taken, run, written and finished.

    It is told what happened by calling its methods, and asks for what is to be done through
    ``access`` and ``carrier``. At most one take is under way at a time, and few batches: what ends
    meanwhile goes with the next, and what a request writes after that waits for it. No more than
    ``pipeline.share_of_one`` requests are at work; those that wait for other pipelines are not, for
    they would take the place of what they wait for. Where joins keep state, nothing is taken before
    that is read; nor where model gateways are asked, before they can be heard.
    """

    __slots__ = (
        "_access",
        "_answered",
        "_busy",
        "_closing",
        "_dirty",
        "_drained",
        "_finishing",
        "_held",
        "_late",
        "_requests",
        "_restored",
        "_restoring",
        "_returning",
        "_singly",
        "_taking",
        "_turnstile",
        "_waiting",
        "calls",
        "carrier",
        "now_ms",
        "offers",
        "over",
        "ownership",
        "pairing",
        "pipeline",
        "state",
    )

    def __init__(
        self,
        pipeline: StreamedPipeline,
        ownership: Ownership,
        access: PartitionAccess,
        carrier: Carrier,
        turnstile: Turnstile,
        now_ms: Callable[[], float],
    ) -> None:
        self.pipeline = pipeline
        self.ownership = ownership
        self.carrier = carrier
        self._access = access
        self._turnstile = turnstile
        self.now_ms = now_ms
        self.state = StateRecords(ownership, pipeline.names)
        self.calls = CallDesk(ownership.epoch)
        self.offers: OfferedCalls | None = None
        """Of the inputs of a step, once its owner has offered some."""
        self._restoring = False
        self.pairing: Pairing | None = None
        if pipeline.matches_by_key:
            self.pairing = Pairing(
                pipeline.name,
                pipeline.names.owed(pipeline.name),
                ownership.partition,
                pipeline.limits.dedup_requests,
            )
        self._restored = not (pipeline.deployment.plan.keeping or pipeline.heard or self.pairing)
        self._requests: dict[StreamRequest, None] = {}
        self._waiting: dict[GatheredRequest, None] = {}
        """Those whose input other pipelines have not decided yet, the oldest first."""
        self._dirty: dict[StreamRequest, None] = {}
        self._answered: dict[bytes, deque[StreamRequest]] = {}
        """Answers that keep an order and are written when their requests are finished, by lane."""
        self._held: dict[StreamRequest, None] = {}
        """Requests that have ended, and what they brought is not counted yet."""
        self._late: list[Delivery] = []
        """What has come since nothing more is taken but what was offered before."""
        self._singly = 0
        self._taking = False
        self._returning = 0
        self._finishing = 0
        self._busy = False
        self._closing = False
        self._drained = False
        self.over = False
        pipeline.partitions_held += 1
        turnstile.add(self)

    @property
    def in_hand(self) -> int:
        """Records that are taken and not finished."""
        return len(self._requests)

    @property
    def takes(self) -> bool:
        """Whether records are on their way here, or back, or wait for that."""
        return self._taking or self._returning > 0 or bool(self._late)

    # What happens -------------------------------------------------------------------------------

    def restored(self, streams: Mapping[str, Sequence[Record]]) -> None:
        """What joins have kept is read."""
        if self.over or self._drained:
            return
        plan = self.pipeline.deployment.plan
        self.carrier.restore(plan, self.ownership, self.state.restored(plan, streams))
        if self.pairing is not None:
            self.pairing.restore(streams[self.pipeline.names.owed(self.pipeline.name)])
        self._restored = True
        self.pump()

    def taken(self, deliveries: Sequence[Delivery]) -> None:
        """Records have come that were asked for."""
        self._taking = False
        if self.over:
            return
        self._busy = True
        for at, delivery in enumerate(deliveries):
            full = self._at_work() >= self.pipeline.share_of_one
            if self._closing or self._turnstile.shut or full:
                # Whoever is to be alone must not take these down with it; and the share of a
                # partition may have become less since they were asked for.
                self._leave_out(deliveries[at:])
                break
            self._take(delivery)
        self._busy = False
        self._turnstile.settle()
        self.pump()

    def _leave_out(self, deliveries: Sequence[Delivery]) -> None:
        """These are not to begin. Of what was offered, nothing does by coming."""
        others = []
        for each in deliveries:
            if self.offers is not None and each in self.offers:
                self._take(each)
            else:
                others.append(each)
        if self._closing and self.offers:
            self._late += others  # given back now they would come again at once
        elif others:
            self._give_back(others)

    def offered(self, call: Output) -> None:
        """A call is on its way here: it is carried out now if it would be, had it come."""
        free = self._restored and not (self.over or self._closing or self._turnstile.shut)
        if not free or self._room() <= 0:
            return
        if self.offers is None:
            self.offers = OfferedCalls()
        request = self.pipeline.request(self, on_its_way(call, self.now_ms()))
        self._requests[request] = None
        self.pipeline.open[request.known_as] = request
        self.offers.begins(request)
        self._turnstile.enter()
        self.begin(request)

    def returned(self) -> None:
        """What was given back has been taken by nobody."""
        self._returning -= 1
        self._turnstile.settle()
        self.pump()

    def finished(self, batch: Batch) -> None:
        """A batch is written, and its deliveries count as done."""
        self._come_back(batch)
        if self.over:
            return
        if self._singly:
            self._singly -= 1
            for request, _ in batch.parts:
                request.refused = False  # what it writes next may be refused as well
        for request in batch.over:
            if not request.duplicate:
                self.pipeline.recent.add(request.known_as)
            if request.arms is not None:
                request.arms.tell()
            del self._requests[request]
            self._leave(request)
        self.pump()

    def refused(self, batch: Batch, failure: Failed) -> bool:
        """The transport will not have a batch, now or later; nothing of it is written.

        Requests go one by one then, and calls of one that leaves them to others as well, so that
        none fails for another; what is refused fails. Says whether anything can be done about it:
        not when it will not have the failure either.
        """
        self._come_back(batch)
        if self.over:
            return True
        if len(batch.parts) == 1 and batch.parts[0][0].refused:
            return False
        at = 0
        waiting = self._dirty
        self._dirty = {}
        for request, count in batch.parts:
            outputs = batch.outputs[at : at + count]
            at += count
            if len(batch.parts) == 1 and (count == 1 or not self._has_calls(request)):
                request.replace(outputs, failure)
            else:
                request.unwritten = outputs + request.unwritten
            self._dirty[request] = None
        self._singly = max(self._singly, len(self._dirty))
        self._dirty.update(waiting)
        self.pump()
        return True

    def fenced(self) -> None:
        """The ownership is over: what is in hand belongs to somebody else."""
        if self.over:
            return
        self.over = True
        self._discard(list(self._requests))
        self._dirty.clear()
        self._tell_drained()

    def close(self) -> None:
        """Take nothing more. What is in hand goes on until it is finished."""
        self._closing = True
        if not self.offers:
            self.stop_taking()
        if self._waiting:
            # What they wait for comes to the next owner.
            self._return(list(self._waiting))
        self.pump()

    def abandon(self) -> None:
        """Wait no longer for what is under way: finish what is answered, give the rest back."""
        self.offers = None
        self.stop_taking()
        waiting = [request for request in self._requests if not request.ended]
        returned = [request for request in waiting if not request.answered_once]
        # What is not counted can only be counted in its turn, which is the next owner's to know.
        returned += self._held
        if returned:
            # First, so that no suspect begins before these are known not to be taken.
            self._return(returned)
        for request in waiting:
            if request.answered_once:
                request.give_up()
        self.pump()

    def hand_on(self, *, answered: bool) -> bool:
        """Have what is under way begin again with another owner, that which is ``answered`` already
        only if that is said. Says whether there was any."""
        late = [
            request
            for request in self._requests
            if not request.ended and (answered or not request.answered_once)
        ]
        if late:
            self._return(late)
            self.pump()
        return bool(late)

    def stop_taking(self) -> None:
        """Wait no longer for records."""
        if self._taking:
            self._access.stop_taking()

    def has(self, request: StreamRequest) -> bool:
        """Whether a request is in hand: not finished, not given back, and not somebody else's."""
        return request in self._requests

    def went_in(self, request: GatheredRequest) -> None:
        """The input of a request is decided, and it is at work."""
        self._waiting.pop(request, None)
        if not request.is_inside:
            request.is_inside = True
            self._turnstile.enter()

    def rests(self, request: StreamRequest) -> None:
        """A request waits for what the owner of another partition does, who may be in this process
        and must not wait for it in turn. Whatever else it does, it is not counted as at work."""
        if self.has(request) and request.is_inside:
            request.is_inside = False
            self._turnstile.leave(request)

    def goes_on(self, request: StreamRequest) -> None:
        """It waits no more."""
        if self.has(request) and not request.is_inside:
            request.is_inside = True
            self._turnstile.enter()

    def progressed(self, request: StreamRequest) -> None:
        """A request has something to be written, or has ended."""
        if not self.has(request):
            return
        if request.ended and request.counted:
            self._held[request] = None
            self._let_finish()
            if request in self._held and not self.pipeline.exactly_once:
                self._write(request)
        else:
            self._write(request)

    def leave_call(self, request: StreamRequest, call: Output) -> None:
        """A request leaves a call to others: it goes with what else there is to be written, or by
        itself, where that is written at the end."""
        if self.pipeline.exactly_once:
            request.calling += 1
            self._access.publish(request, call)
        elif self.has(request):
            request.unwritten.append(call)
            self._dirty[request] = None
            # Others may follow at once, as of all that a step leads to: they go with it.
            self._access.pump_later()

    def call_written(self, request: StreamRequest) -> None:
        """A call that went by itself is there."""
        if self.has(request):
            request.call_written()

    def call_refused(self, request: StreamRequest, call: Output, failure: Failed) -> None:
        """The transport will not have a call that went by itself, now or later."""
        if self.has(request):
            request.call_refused(call, failure)

    def answered(self, request: StreamRequest) -> None:
        """The outcome of a request has been told, in the order that its pipeline keeps."""
        if not self.has(request) or request.lane is None:
            return
        if self.pipeline.exactly_once:
            self._answered.setdefault(request.lane, deque()).append(request)
        else:
            # Behind those that were answered before, whatever else it had to be written already.
            self._dirty.pop(request, None)
            self._dirty[request] = None

    # What is to be done -------------------------------------------------------------------------

    def pump(self) -> None:
        """Ask for what can be asked for as things stand."""
        if self._busy or self.over:
            return
        if self._dirty and self._finishing < self._most_finishing():
            batch = self._next_batch()
            if batch.parts:
                self._finishing += 1
                self._access.finish(batch)
        if self._closing:
            self._pump_at_end()
            return
        if not self._restored:
            if not self._restoring:
                self._restoring = True
                self._access.restore(self.pipeline.state_streams())
        elif not (self.takes or self._turnstile.shut):
            room = self._room()
            if room > 0:
                self._taking = True
                self._access.take(room)

    def _pump_at_end(self) -> None:
        if self.offers:
            if not (self._taking or self._returning):
                self._taking = True
                self._access.take(self.pipeline.share_of_one)
            return
        late, self._late = self._late, []
        if late:
            self._give_back(late)
        if not (self._requests or self.takes):
            self._tell_drained()

    def _room(self) -> int:
        """How many records more may be in hand."""
        room = self.pipeline.share_of_one - self._at_work()
        plan = self.pipeline.deployment.plan
        if plan.order is None or room <= 0:
            return room
        return min(room, self.carrier.room_in(plan, self.ownership.partition))

    def _at_work(self) -> int:
        return len(self._requests) - len(self._waiting)

    def begin(self, request: StreamRequest, failure: Failed | None = None) -> None:
        """Let a request that was taken into the pipeline, with a ``failure`` to fail there."""
        if failure is None and isinstance(request, GatheredRequest):
            self._bring(request)
        else:
            request.begin(self.now_ms(), failure)

    def _take(self, delivery: Delivery) -> None:
        pipeline = self.pipeline
        if self.offers is not None and self.offers.meets(delivery):
            return
        if delivery.stream == pipeline.externals:
            self._gather(delivery)
            return
        request = pipeline.request(self, delivery)
        self._requests[request] = None
        record = delivery.record
        ended = self.offers is not None and self.offers.has_ended(delivery)
        if ended or ANSWERED_HEADER in record.headers or pipeline.passes_over(request):
            self._turnstile.enter()
            request.pass_over()
            return
        pipeline.open[request.known_as] = request
        if delivery.attempt > pipeline.limits.max_deliveries:
            self._turnstile.enter()
            self.begin(request, _lost(delivery))
        elif isinstance(record.body, Failed) and not request.is_gathered:
            self._turnstile.enter()
            self.begin(request, record.body)
        elif delivery.attempt >= ALONE_FROM_ATTEMPT:
            self._turnstile.enter(request)
        else:
            self._turnstile.enter()
            self.begin(request)

    def _gather(self, delivery: Delivery) -> None:
        """A record of another pipeline has come."""
        pipeline = self.pipeline
        if self.pairing is not None and delivery.record.undecoded is None:
            self._pair(self.pairing, delivery)
            return
        port = port_of(delivery)
        request = pipeline.gathered(self, delivery)
        known = pipeline.open.get(request.known_as)
        if isinstance(known, GatheredRequest) and known.tenure is self and known.lacks(port):
            self._join(known, delivery)
            return
        self._requests[request] = None
        undecoded = delivery.record.undecoded is not None
        if pipeline.passes_over(request) or not (undecoded or request.reads(port)):
            self._turnstile.enter()
            request.pass_over()
            return
        self._begin_gathering(request, delivery)

    def _pair(self, pairing: Pairing, delivery: Delivery) -> None:
        """A record of another pipeline has come that goes with others by its key and order."""
        port = port_of(delivery)
        request = self.pipeline.paired(self, delivery, pairing)
        pair = pairing.find(delivery.record.key, port)
        known = None if pair is None else pair.request
        repeats = pairing.repeats(delivery, port)
        if pair is not None and known is not None and not repeats:
            pairing.bring(pair, port)
            if known.lacks(port):
                self._join(known, delivery)
            else:
                known.comes_late(delivery)
            return
        self._requests[request] = None
        if repeats or (pair is None and not request.reads(port)):
            self._turnstile.enter()
            request.pass_over()
        elif pair is not None:
            self._turnstile.enter()
            request.owed(pairing.pay(pair, port))
        else:
            request.pair = pairing.begin(delivery, request)
            pairing.bring(request.pair, port)
            self._begin_gathering(request, delivery)

    def _begin_gathering(self, request: GatheredRequest, delivery: Delivery) -> None:
        pipeline = self.pipeline
        undecoded = delivery.record.undecoded is not None
        pipeline.open[request.known_as] = request
        body = delivery.record.body
        if undecoded and isinstance(body, Failed):
            self._turnstile.enter()
            self.begin(request, body)
        elif delivery.attempt > pipeline.limits.max_deliveries:
            self._turnstile.enter()
            self.begin(request, _lost(delivery))
        else:
            request.comes_in(delivery)
            self._let_in(request, delivery)

    def _join(self, request: GatheredRequest, delivery: Delivery) -> None:
        """More has come of what a request waits for."""
        if delivery.attempt > self.pipeline.limits.max_deliveries:
            failure = _lost(delivery)
            request.buried(failure, self.now_ms())
            delivery = delivery._replace(record=delivery.record._replace(body=failure))
        request.comes_in(delivery)
        self._let_in(request, delivery)

    def _let_in(self, request: GatheredRequest, delivery: Delivery) -> None:
        """Tell a request what has come: alone, if that was at work at two crashes."""
        request.is_inside = True
        if delivery.attempt >= ALONE_FROM_ATTEMPT:
            self._turnstile.enter(request)
        else:
            self._turnstile.enter()
            self._bring(request)

    def _bring(self, request: GatheredRequest) -> None:
        request.gather(self.now_ms())
        if request.waits and self.has(request):
            # It is not at work, whatever else is; and what it waits for must find room.
            self._waiting.setdefault(request)
            request.is_inside = False
            self._turnstile.leave(request)
            if len(self._waiting) > self.pipeline.most_waiting:
                next(iter(self._waiting)).end_wait()

    def _write_in_order(self, lane: bytes) -> None:
        """Write what is finished of a lane, up to the first answer whose request is not."""
        answered = self._answered[lane]
        while answered and answered[0].ended and answered[0] not in self._held:
            self._dirty[answered.popleft()] = None
        if not answered:
            del self._answered[lane]
        self.pump()

    def _let_finish(self) -> None:
        """Finish what has ended and is counted: all that came before has ended as well."""
        under_way = min(
            (
                each.delivery.offset
                for each in self._requests
                if each.passage is not None or each.calling
            ),
            default=float("inf"),
        )
        for request in [each for each in self._held if each.delivery.offset < under_way]:
            del self._held[request]
            self._write(request)

    def _write(self, request: StreamRequest) -> None:
        """Have it written what can be written of a request."""
        if not self.pipeline.exactly_once or (request.ended and request.lane is None):
            self._dirty[request] = None
            self.pump()
        elif request.ended and request.lane is not None:
            self._write_in_order(request.lane)

    def _next_batch(self) -> Batch:
        batch = Batch([], [], [], [], [])
        for request in list(self._dirty):
            if request.is_written:
                continue
            del self._dirty[request]
            # Its end waits for all else of it, or a visit may be missing in the streams.
            ends = request.ended and request not in self._held and not request.under_way
            if not (ends or request.unwritten) and request.under_way:
                continue
            if ends:
                request.finishes()
            outputs, request.unwritten = request.unwritten, []
            request.under_way += 1
            if ends or self._singly or not self._has_calls(request):
                request.is_written = True
                batch.awaited.append(request)
            if self._singly and len(outputs) > 1 and self._has_calls(request):
                outputs, request.unwritten = outputs[:1], outputs[1:]
                self._dirty[request] = None
            elif ends:
                batch.deliveries.extend(request.deliveries)
                batch.over.append(request)
            batch.outputs.extend(outputs)
            batch.parts.append((request, len(outputs)))
            if self._singly:
                break
        return batch

    def _has_calls(self, request: StreamRequest) -> bool:
        """Whether calls may be among what is written of a request. Then it may go record by
        record, else all of it goes as one."""
        return request.elsewhere is not None and not self.pipeline.exactly_once

    def _most_finishing(self) -> int:
        """How many batches may be under way: one where their order matters, or where it is to be
        found out which request the transport will not have."""
        pipeline = self.pipeline
        plan = pipeline.deployment.plan
        if pipeline.exactly_once or plan.order is not None or plan.keeping or self._singly:
            return 1
        return MOST_AHEAD if pipeline.heard else MOST_FINISHING

    def _come_back(self, batch: Batch) -> None:
        """A batch is no longer under way."""
        self._finishing -= 1
        for request, _ in batch.parts:
            request.under_way -= 1
            ahead = request.ended and not (request.is_written or request.under_way)
            if ahead and self.has(request) and request not in self._held:
                self._dirty[request] = None  # now it may end
        for request in batch.awaited:
            request.is_written = False

    def _return(self, requests: Sequence[StreamRequest]) -> None:
        """Have requests come again, here or at another owner."""
        self._give_back([delivery for request in requests for delivery in request.deliveries])
        self._discard(requests)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        self._returning += 1
        self._access.give_back(deliveries)

    def _discard(self, requests: Sequence[StreamRequest]) -> None:
        """Have nothing to do with requests any more; nothing that they still say counts.

        First of all, since the end of one may give another its turn to be answered.
        """
        for request in requests:
            del self._requests[request]
        for request in requests:
            request.give_up()
        for request in requests:
            self._leave(request)

    def _leave(self, request: StreamRequest) -> None:
        self._dirty.pop(request, None)
        self._held.pop(request, None)
        if isinstance(request, GatheredRequest):
            self._waiting.pop(request, None)
        open_requests = self.pipeline.open
        if open_requests.get(request.known_as) is request:
            del open_requests[request.known_as]
        if request.is_inside:
            self._turnstile.leave(request)

    def _tell_drained(self) -> None:
        if not self._drained:
            self._drained = True
            self.pipeline.partitions_held -= 1
            self.carrier.release(self.ownership)
            self._turnstile.remove(self)
            self._access.drained()


def _lost(delivery: Delivery) -> Failed:
    reason = (
        f"{delivery.attempt - 1} workers went away while they had the request; "
        "it is not tried again"
    )
    return Failed("lost", reason, None, True)
