"""What waits in the streams of pipelines for models that are scaled by their load."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from penstock.core.clock import Clock
from penstock.core.contracts.transport import Transport
from penstock.core.errors import PenstockError
from penstock.core.pipeline_gateway.owned_child import has_owners
from penstock.core.plan import Plan
from penstock.core.records import Port
from penstock.core.scaling.expected_calls import PipelineQueue
from penstock.core.streams.names import StreamNames
from penstock.core.streams.pipeline import is_shared

_INPUTS: Final = Port(None, "inputs")

_NO_COUNTS: Final[Mapping[str, int]] = {}

_log = logging.getLogger(__name__)


class StreamBacklog:
    """Asks the transport at regular times how far the groups of workers have come.

    So it is known whoever works, and also when nobody does. ``plans`` gives the pipelines by name,
    and ``models`` the models whose backlog is of interest: without those nobody is asked.
    """

    def __init__(
        self,
        transport: Transport,
        names: StreamNames,
        plans: Callable[[], Mapping[str, Plan]],
        models: Callable[[], Collection[str]],
        clock: Clock,
        every_ms: float,
    ) -> None:
        self._every_s = every_ms / 1000.0
        self._transport = transport
        self._names = names
        self._plans = plans
        self._models = models
        self._clock = clock
        self._known_ms: dict[str, float] = {}
        """Of when it is what is known of a model, or since when it is asked for."""
        self._fails = False
        self.queues: Sequence[PipelineQueue] = ()
        """What was there at the last answer."""

    async def run(self) -> None:
        """Look at regular times, for ever."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.look()
            except Exception:
                _log.exception("what waits in streams is not seen this time, by a defect")

    async def look(self) -> None:
        """Ask once. What is not answered leaves what is known as it was, and growing old."""
        now_ms = self._clock.now_ms()
        streams = _Streams(self._names, self._plans(), self._models())
        self._known_ms = {name: self._known_ms.get(name, now_ms) for name in streams.models}
        try:
            inputs, steps = await asyncio.gather(
                self._left(self._names.group, streams.inputs()),
                self._left(self._names.models_group, streams.of_steps()),
            )
        except PenstockError as error:
            self._say(error)
            return
        self._say(None)
        self.queues = streams.queues(inputs, steps)
        self._known_ms = dict.fromkeys(streams.models, now_ms)

    def age_ms(self, model: str, now_ms: float) -> float | None:
        """How old it is what is known of a model, None where nothing of it goes through streams."""
        known_ms = self._known_ms.get(model)
        return None if known_ms is None else now_ms - known_ms

    async def _left(self, group: str, streams: Sequence[str]) -> Mapping[str, int]:
        return await self._transport.backlog(group, streams) if streams else _NO_COUNTS

    def _say(self, error: PenstockError | None) -> None:
        if error is not None and not self._fails:
            _log.warning(
                "it cannot be seen what waits in streams, and models of pipelines are not scaled "
                "meanwhile: %s",
                error,
            )
        elif error is None and self._fails:
            _log.info("it can be seen again what waits in streams")
        self._fails = error is not None


class _Streams:
    """The streams of the pipelines that call some of ``models``, or are asked by these."""

    def __init__(
        self, names: StreamNames, plans: Mapping[str, Plan], models: Collection[str]
    ) -> None:
        self._names = names
        self._every = plans
        wanted = frozenset(models)
        callers = {name for name in plans if wanted & self._expects(name)} if wanted else set()
        self._plans = [
            plans[each] for each in sorted({i for n in callers for i in self._within(n)})
        ]
        self.models = frozenset().union(*map(self._expects, callers))

    def inputs(self) -> list[str]:
        """Those that requests come through."""
        return [stream for plan in self._plans for stream in self._inlets(plan)]

    def of_steps(self) -> list[str]:
        """Those that calls come through."""
        return [stream for plan in self._plans for _, stream in self._calls(plan)]

    def queues(self, inputs: Mapping[str, int], steps: Mapping[str, int]) -> list[PipelineQueue]:
        """What waits, by what groups have left to do in each."""
        return [self._queue(plan, inputs, steps) for plan in self._plans]

    def _queue(
        self, plan: Plan, inputs: Mapping[str, int], steps: Mapping[str, int]
    ) -> PipelineQueue:
        own, *others = (inputs.get(stream, 0) for stream in self._inlets(plan))
        # Several records of others make one request.
        requests = own + sum(others) // max(len(plan.external), 1)
        calls: dict[str, int] = {}
        for model, stream in self._calls(plan):
            calls[model] = calls.get(model, 0) + steps.get(stream, 0)
        children = [name for name in self._within(plan.name) if name != plan.name]
        asked = frozenset(name for name in children if has_owners(self._every[name]))
        called = [self._every[name].models for name in children if name not in asked]
        if not calls:
            called.append(plan.models)
        return PipelineQueue(
            plan.name,
            requests,
            calls,
            frozenset().union(*called),
            asked,
            self._expects(plan.name),
        )

    def _inlets(self, plan: Plan) -> list[str]:
        inputs = self._names.of(plan.name, _INPUTS)
        if is_shared(plan):
            # What is handed out one by one nobody can ask about; what waits is soon put aside.
            inputs = self._names.aside(plan.name)
        return [inputs, self._names.externals(plan.name)] if plan.external else [inputs]

    def _calls(self, plan: Plan) -> Iterator[tuple[str, str]]:
        """Models whose calls are written down, with where."""
        if plan.pipeline is None or plan.pipeline.spec.layout != "spread":
            return
        for step in plan.steps:
            if step.model in plan.models:
                yield step.model, self._names.of(plan.name, Port(step.name, "inputs"))

    def _expects(self, pipeline: str) -> frozenset[str]:
        return frozenset(
            name for each in self._within(pipeline) for name in self._every[each].models
        )

    def _within(self, pipeline: str) -> list[str]:
        """A pipeline, and those that are steps of it, and of these."""
        found = {pipeline: None}
        left = [pipeline]
        while left:
            for name in self._every[left.pop()].pipelines:
                if name in self._every and name not in found:
                    found[name] = None
                    left.append(name)
        return list(found)
