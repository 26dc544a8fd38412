"""Versions of pipelines that left and still have requests under way."""

from __future__ import annotations

import asyncio

from penstock.core.control.background import Background
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plan import Plan


class DrainingPipelines:
    """Knows which models are still called by versions that are no longer served."""

    def __init__(self, gateway: PipelineGateway, background: Background) -> None:
        self._gateway = gateway
        self._background = background
        self._by_model: dict[str, set[asyncio.Task[None]]] = {}

    def add(self, left: Plan) -> asyncio.Task[None]:
        """A version left. The task ends with the last request that began with it."""
        task = self._background.spawn(
            self._gateway.drained("pipeline", left.name, left.version),
            f"draining pipeline '{left.name}', version {left.version}",
        )
        for model in left.models:
            self._by_model.setdefault(model, set()).add(task)
        task.add_done_callback(lambda done: self._ended(done, left.models))
        return task

    async def released(self, model: str) -> None:
        """Return when no version that left can call ``model`` any more."""
        while tasks := self._by_model.get(model):
            await asyncio.wait(tasks)

    def _ended(self, task: asyncio.Task[None], models: tuple[str, ...]) -> None:
        for model in models:
            tasks = self._by_model[model]
            tasks.discard(task)
            if not tasks:
                del self._by_model[model]
