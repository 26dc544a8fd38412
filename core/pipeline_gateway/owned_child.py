"""A pipeline as a step that keeps an order or state: the owners of its partitions run it."""

from __future__ import annotations

from penstock.core.contracts.gateway import Reply, Ticket
from penstock.core.contracts.model import ModelCall
from penstock.core.dataflow import Deployment
from penstock.core.errors import PenstockError
from penstock.core.following.course import FollowedOrigin
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.pipeline_gateway.child import ChildPipeline, parent_of
from penstock.core.pipeline_gateway.streamed import StreamedTarget, StreamIntake
from penstock.core.plan import Plan
from penstock.core.signature import Signature
from penstock.core.streams.headers import FOLLOWED, FOLLOWED_HEADER, NOT_FOLLOWED


def has_owners(plan: Plan) -> bool:
    """Whether requests to a pipeline are to be run by the owner of their partition alone, since
    they have an order or state in common."""
    return plan.order is not None or bool(plan.keeping)


class OwnedChild(ChildPipeline):
    """Writes a child to the input stream of its pipeline, and waits for the answer.

    Every time that a step begins anew its child is another request, so that none is taken for one
    that was asked for before a crash.
    """

    __slots__ = ("_intake", "_place")

    def __init__(
        self, intake: StreamIntake, deployment: Deployment, signature: Signature | None
    ) -> None:
        self._place = StreamedTarget(intake, deployment, signature)
        self._intake = intake
        super().__init__(intake.admission, self._place)

    def _begin(
        self, call: ModelCall, request: InferenceRequest, identity: str, reply: Reply
    ) -> Ticket:
        followed = isinstance(call.origin, FollowedOrigin)
        headers = {**call.origin.headers, FOLLOWED_HEADER: FOLLOWED if followed else NOT_FOLLOWED}
        parent = parent_of(call)

        def told(result: InferenceResponse | PenstockError) -> None:
            if parent is not None:
                parent.told()
            reply(result)

        if parent is not None:
            parent.asked()
        return self._intake.ask(self._place, request, headers, identity, call.deadline_ms, told)
