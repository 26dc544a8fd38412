"""Pipelines whose requests go through streams, in a gateway that has followers.

A request is a request of the gateway to them, up to its answer; what a worker does is another one,
which the record brings. Whether it is followed is decided here, and the record says so.
"""

from __future__ import annotations

from functools import partial

from penstock.core.contracts.follower import Following
from penstock.core.contracts.gateway import Reply, Ticket
from penstock.core.errors import PenstockError
from penstock.core.experiments.split import Split
from penstock.core.following.watch import Watch
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.pipeline_gateway.direct import DirectSubmission, DirectTarget
from penstock.core.pipeline_gateway.followed import Followed, SubmittedCourse
from penstock.core.pipeline_gateway.streamed import StreamedTarget, Taken
from penstock.core.records import Headers
from penstock.core.streams.headers import FOLLOWED, FOLLOWED_HEADER, NOT_FOLLOWED


class FollowsRecords(StreamedTarget):
    """What it publishes is followed if the followers want it."""

    __slots__ = ()

    def accept(
        self, request: InferenceRequest, headers: Headers, split: Split | None = None
    ) -> Ticket:
        return self._intake.accept(self, request, headers, split, self._follow_taken)

    def _follow(
        self, identity: str, headers: Headers, now_ms: float, reply: Reply
    ) -> tuple[Headers, Reply]:
        headers, watch = self._decided(identity, headers, now_ms)
        return headers, reply if watch is None else partial(self._answered, watch, reply)

    def _follow_taken(
        self, identity: str, headers: Headers, now_ms: float
    ) -> tuple[Headers, Taken | None]:
        headers, watch = self._decided(identity, headers, now_ms)
        return headers, None if watch is None else partial(self._taken, watch)

    def _decided(
        self, identity: str, headers: Headers, now_ms: float
    ) -> tuple[Headers, Watch | None]:
        """The headers of the record, and who follows the request."""
        assert self.deployment is not None, "it serves"
        watch = self._admission.watch(self.deployment, identity, headers, now_ms)
        if watch is None:
            return {**headers, FOLLOWED_HEADER: NOT_FOLLOWED}, None
        return {**headers, **_below(watch), FOLLOWED_HEADER: FOLLOWED}, watch

    def _answered(
        self, watch: Watch, reply: Reply, result: InferenceResponse | PenstockError
    ) -> None:
        self._end(watch, result)
        reply(result)

    def _taken(self, watch: Watch, error: PenstockError | None) -> None:
        self._end(watch, error)

    def _end(self, watch: Watch, result: InferenceResponse | PenstockError | None) -> None:
        now_ms = self._admission.now_ms()

        def told(following: Following) -> None:
            if result is not None:
                following.answered(result, now_ms)
            following.closed(now_ms)

        watch.tell(told)


class FollowedStreamTarget(FollowsRecords):
    """One version of a pipeline whose requests workers run."""

    __slots__ = ()

    def submit(
        self,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> Ticket:
        return self._intake.submit(self, request, headers, timeout_ms, reply, self._follow)


class FollowedDirectTarget(FollowsRecords, DirectTarget):
    """One version of a pipeline in layout direct."""

    __slots__ = ()

    def _submission(
        self,
        request: InferenceRequest,
        headers: Headers,
        limit_ms: float,
        reply: Reply,
        identity: str,
        key: bytes,
    ) -> DirectSubmission:
        assert self.deployment is not None, "who is not ready takes nothing in"
        admission = self._admission
        watch = admission.watch(self.deployment, identity, headers, admission.now_ms())
        if watch is None:
            return super()._submission(request, headers, limit_ms, reply, identity, key)
        below = {**headers, **_below(watch)}
        submission = self._made(
            FollowedDirectSubmission, request, below, limit_ms, reply, identity, key
        )
        SubmittedCourse(submission, watch)
        return submission


class FollowedDirectSubmission(DirectSubmission, Followed):
    """A request that is followed."""

    __slots__ = ("course",)


def _below(watch: Watch) -> Headers:
    """What says of records that they follow from the request."""
    return watch.tell(lambda following: following.record_read(None))
