"""The streams of pipelines: made before a version serves, and a reason why it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from penstock.core.contracts.transport import Transport
from penstock.core.control.background import Background
from penstock.core.control.reasons import Reason
from penstock.core.control.standing import TRANSPORT_REACHED, Outlook
from penstock.core.errors import NotReadyError, PenstockError
from penstock.core.plan import Plan
from penstock.core.resources import Status
from penstock.core.resources.status import ConditionStatus
from penstock.core.streams.names import StreamNames
from penstock.core.streams.pipeline import answers_directly, is_shared, streams_of

FIRST_BACKOFF_S: Final = 0.5
LAST_BACKOFF_S: Final = 15.0

LOOK_S: Final = 5.0
"""How often it is looked whether the transport is there."""

ANSWER_S: Final = 5.0

_log = logging.getLogger(__name__)


class _Made(NamedTuple):
    """How the streams of one version stand; without an outlook they are there."""

    version: int
    outlook: Outlook | None


class PipelineStreams:
    """Makes the streams of versions over a transport that crosses processes."""

    def __init__(self, transport: Transport, names: StreamNames, background: Background) -> None:
        self._transport = transport
        self._names = names
        self._background = background
        self._away: str | None = None
        self._made: dict[str, _Made] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.on_change: Callable[[str], None] = _nobody
        """Called with the name of a pipeline whose outlook may be another."""

    def start(self) -> None:
        """Begin to look whether the transport is there."""
        self._background.spawn(self._look(), "looking for the transport")

    def noted(self, status: Status, plan: Plan, matchers: Sequence[str], now_ms: float) -> Status:
        """``status`` of a pipeline that says as well what carries its requests, and how that is.

        ``matchers`` are the pipelines that match by key what they read of it.
        """
        held: ConditionStatus = "True" if self._away is None else "False"
        reason = Reason.TRANSPORT_REACHED if self._away is None else Reason.TRANSPORT_AWAY
        count = "1 partition" if plan.partitions == 1 else f"{plan.partitions} partitions"
        said = f"requests go through {count} of '{self._names.root}'"
        if answers_directly(plan):
            said = f"gateways answer who waits by themselves; other {said}"
        if self._away is not None:
            said = f"{said}, which cannot be reached: {self._away}"
        said = "; ".join([said, *_unasked(plan, matchers)])
        return status.with_condition(TRANSPORT_REACHED, held, reason, said, now_ms=now_ms)

    async def _look(self) -> None:
        while True:
            away = await self._asked()
            if away != self._away:
                self._away = away
                for pipeline in list(self._made):
                    self.on_change(pipeline)
            await asyncio.sleep(LOOK_S)

    async def _asked(self) -> str | None:
        """Why the transport cannot be had, None when it can."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._transport.time_ms()
        except TimeoutError:
            return f"it has not answered for {ANSWER_S:g} s"
        except PenstockError as error:
            return error.message
        return None

    def outlook(self, plan: Plan, sources: Iterable[Plan], *, serves: bool) -> Outlook | None:
        """Why a version cannot serve for the sake of its streams, None when it can.

        ``sources`` are the pipelines that it reads. What is missing is made meanwhile; a version
        that ``serves`` has what it needs.
        """
        refusal = _refusal(plan, sources)
        if refusal is not None:
            return Outlook(Reason.NOT_OVER_STREAMS, refusal, at_work=False)
        if serves:
            return None
        made = self._made.get(plan.name)
        if made is None or made.version != plan.version:
            said = "its streams are being made"
            made = _Made(plan.version, Outlook(Reason.WAITING_FOR_STREAMS, said, at_work=True))
            self._made[plan.name] = made
            self._make(plan)
        return made.outlook

    async def delete(self, plan: Plan) -> None:
        """Delete the streams of a pipeline that is gone, with what is in them, where its manifest
        says so."""
        said = None if plan.pipeline is None else plan.pipeline.spec.dataflow
        if said is None or not said.clean_topics_on_delete:
            return
        names = [spec.name for spec in streams_of(plan, self._names, plan.partitions)]
        try:
            await self._transport.delete_streams(names)
        except PenstockError as error:
            about = {"pipeline": plan.name}
            _log.warning("its streams could not be deleted: %s", error, extra=about)

    def forget(self, pipeline: str) -> None:
        """The pipeline is gone; its streams stay, with what is in them."""
        self._made.pop(pipeline, None)
        task = self._tasks.pop(pipeline, None)
        if task is not None:
            task.cancel()

    def _make(self, plan: Plan) -> None:
        before = self._tasks.pop(plan.name, None)
        if before is not None:
            before.cancel()
        work = self._see_to(plan)
        self._tasks[plan.name] = self._background.spawn(
            work, f"making streams of pipeline '{plan.name}'"
        )

    async def _see_to(self, plan: Plan) -> None:
        """Make them, as often as it takes."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            outlook = await self._tried(plan)
            self._made[plan.name] = _Made(plan.version, outlook)
            self.on_change(plan.name)
            if outlook is None or not outlook.at_work:
                return
            await asyncio.sleep(backoff_s)
            backoff_s = min(2.0 * backoff_s, LAST_BACKOFF_S)

    async def _tried(self, plan: Plan) -> Outlook | None:
        try:
            await self._transport.make_streams(streams_of(plan, self._names, plan.partitions))
        except NotReadyError as error:
            said = f"its streams cannot be made yet: {error.message}"
            return Outlook(Reason.WAITING_FOR_STREAMS, said, at_work=True)
        except PenstockError as error:
            said = f"its streams cannot be made: {error.message}"
            return Outlook(Reason.STREAMS_DO_NOT_FIT, said, at_work=False)
        return None


def _unasked(plan: Plan, matchers: Sequence[str]) -> Iterator[str]:
    """What holds of a version for the sake of what it is to do, beyond what its manifest says."""
    assert plan.pipeline is not None, "models have no streams of their own"
    spec = plan.pipeline.spec
    names = ", ".join(f"'{name}'" for name in matchers)
    if plan.exactly_once and spec.delivery is None:
        if plan.matches_by_key:
            yield "they end exactly once, since it matches what it reads by key (input.match)"
        else:
            yield f"they end exactly once, since {names} matches them by key (input.match)"
    if plan.order is not None and spec.output is not None and spec.output.order is None:
        yield f"they end in the order of their keys, since {names} matches them by key"
    keeper = plan.keeper_of_all
    if keeper is not None and (spec.dataflow is None or spec.dataflow.partitions is None):
        yield f"the join of '{keeper}' keeps state for all of them, which takes one partition"


def _refusal(plan: Plan, sources: Iterable[Plan]) -> str | None:
    """Why a pipeline cannot be run over streams."""
    if plan.matches_by_key:
        refusal = _refusal_to_match(plan, sources)
        if refusal is not None:
            return refusal
    if is_shared(plan) and plan.keeping:
        consumer = plan.kept_joins[0].consumer
        return (
            f"the join of '{consumer}' keeps state across requests, which takes one owner for each "
            "partition; leave dataflow.shareGroup out"
        )
    keeper = plan.keeper_of_all
    if keeper is not None and plan.partitions > 1:
        return (
            f"it has {plan.partitions} partitions, and the join of '{keeper}' keeps state for all "
            "of its requests; leave dataflow.partitions out, or keep state by key"
        )
    return None


def _refusal_to_match(plan: Plan, sources: Iterable[Plan]) -> str | None:
    """Why a pipeline cannot match what it reads by key, over streams."""
    loose = [each.name for each in (plan, *sources) if _is_at_least_once(each)]
    if loose:
        names = ", ".join(f"'{name}'" for name in loose)
        return (
            "it matches by key (input.match), and a record that comes twice, as it may after a "
            "crash, would leave all that follow in its key with others than theirs; leave delivery "
            f"out of {names}, or write exactly-once"
        )
    for source in sources:
        if source.output is None:
            return (
                f"it matches by key (input.match), and '{source.name}' puts nothing out, so that "
                "its requests end in no order; give it an output"
            )
    return None


def _is_at_least_once(plan: Plan) -> bool:
    return plan.pipeline is not None and plan.pipeline.spec.delivery == "at-least-once"


def _nobody(pipeline: str) -> None:
    """Where nobody is told."""
