"""What a process has to do with pipelines whose requests go through streams."""

from __future__ import annotations

from penstock.core.contracts.gateway import Reply, Ticket
from penstock.core.dataflow import Deployment
from penstock.core.errors import UnsupportedError
from penstock.core.experiments.split import Split
from penstock.core.inference import InferenceRequest
from penstock.core.pipeline_gateway.admission import Admission
from penstock.core.pipeline_gateway.child import ChildPipeline
from penstock.core.pipeline_gateway.direct import DirectTarget
from penstock.core.pipeline_gateway.followed_streams import (
    FollowedDirectTarget,
    FollowedStreamTarget,
)
from penstock.core.pipeline_gateway.owned_child import OwnedChild, has_owners
from penstock.core.pipeline_gateway.streamed import StreamedTarget, StreamIntake
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.records import Headers
from penstock.core.signature import Signature
from penstock.core.streams.pipeline import answers_directly
from penstock.core.streams.readers import StreamReaders
from penstock.core.streams.roster import Roster
from penstock.core.streams.write_behind import WriteBehind


class Carriage:
    """``intake`` is there where callers are answered, and ``behind`` with it; ``roster`` where
    requests are worked on. ``asks`` is there where pipelines may be called by steps; it is the
    intake where there is one. ``readers`` hears which pipelines read others."""

    def __init__(
        self,
        admission: Admission,
        intake: StreamIntake | None,
        behind: WriteBehind | None,
        roster: Roster | None,
        readers: StreamReaders,
        asks: StreamIntake | None = None,
    ) -> None:
        self._admission = admission
        self._intake = intake
        self._asks = asks or intake
        self._behind = behind
        self._roster = roster
        self._readers = readers

    def child(self, target: ServedTarget) -> ChildPipeline:
        """What a pipeline is to steps that call it."""
        deployment = target.deployment
        assert deployment is not None, "it serves"
        if self._asks is not None and has_owners(deployment.plan):
            return OwnedChild(self._asks, deployment, target.signature)
        return ChildPipeline(self._admission, target)

    def serve(self, deployment: Deployment, signature: Signature | None) -> ServedTarget:
        """A version takes requests from now on: what its name stands for here."""
        self._readers.serve(deployment.plan)
        if self._roster is not None:
            self._roster.serve(deployment)
        if self._asks is not None:
            self._asks.serve(deployment.plan.name)
        if self._intake is not None:
            followed = deployment.plan.followed is not None
            if self._behind is not None and answers_directly(deployment.plan):
                direct = FollowedDirectTarget if followed else DirectTarget
                return direct(self._intake, deployment, signature, self._behind, self._readers)
            streamed = FollowedStreamTarget if followed else StreamedTarget
            return streamed(self._intake, deployment, signature)
        return TargetElsewhere(self._admission, deployment, signature)

    def withdraw(self, pipeline: str) -> None:
        """Nothing serves it any more. What is in its streams stays there."""
        self._readers.leave(pipeline)
        if self._asks is not None:
            self._asks.withdraw(pipeline)
        if self._roster is not None:
            self._roster.withdraw(pipeline)

    async def drain(self) -> None:
        """Return when no caller waits and nothing is worked on any more."""
        if self._intake is not None:
            await self._intake.drain()
        if self._roster is not None:
            await self._roster.stop()

    async def write_out(self) -> None:
        """Return when streams have what they can of requests that were answered without them."""
        if self._behind is not None:
            await self._behind.drain()


class TargetElsewhere(ServedTarget):
    """A pipeline in a process that takes no requests for it."""

    __slots__ = ()

    def __init__(
        self, admission: Admission, deployment: Deployment, signature: Signature | None
    ) -> None:
        plan = deployment.plan
        super().__init__(
            admission,
            "pipeline",
            plan.name,
            plan.version,
            deployment=deployment,
            signature=signature,
        )

    def renewed(self) -> TargetElsewhere:
        self.expire()
        assert self.deployment is not None, "it serves"
        return TargetElsewhere(self._admission, self.deployment, self.signature)

    def submit(
        self,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> Ticket:
        return self._admission.refuse(self._not_here(), "", reply)

    def accept(
        self, request: InferenceRequest, headers: Headers, split: Split | None = None
    ) -> Ticket:
        raise self._admission.counted(self._not_here())

    def _not_here(self) -> UnsupportedError:
        return UnsupportedError(
            f"this process takes no requests to pipelines; send those to '{self.name}' to a "
            "pipeline gateway (penstock run pipeline-gateway)"
        )
