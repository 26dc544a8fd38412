"""What a worker is to work on, and what it works on: one change of a pipeline after the other."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from penstock.core.dataflow import Deployment
from penstock.core.errors import PenstockError
from penstock.core.streams.worker import StreamWorker

FIRST_BACKOFF_S: Final = 0.5
LAST_BACKOFF_S: Final = 15.0

_log = logging.getLogger(__name__)


class Roster:
    """Brings a worker to what is served. Told at once, and done in tasks of its own.

    A version that is served begins all requests from when this is told, so that the one before can
    go; nothing of a pipeline that is withdrawn begins from then on.
    """

    def __init__(self, worker: StreamWorker) -> None:
        self._worker = worker
        self._wanted: dict[str, Deployment | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._over = False

    def serve(self, deployment: Deployment) -> None:
        """Have the worker work on a pipeline, beginning requests with this version."""
        self._worker.renew(deployment)
        self._want(deployment.plan.name, deployment)

    def withdraw(self, pipeline: str) -> None:
        """Have the worker finish what is under way of a pipeline, and leave the rest."""
        self._worker.close(pipeline)
        self._want(pipeline, None)

    async def stop(self, *, forced: bool = False) -> None:
        """Hand everything over, and begin nothing any more; ``forced`` as a crash would."""
        self._over = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._worker.stop(forced=forced)

    def _want(self, pipeline: str, deployment: Deployment | None) -> None:
        if self._over:
            return
        self._wanted[pipeline] = deployment
        if pipeline not in self._tasks:
            work = self._bring_about(pipeline)
            name = f"bringing pipeline '{pipeline}' to its streams"
            self._tasks[pipeline] = asyncio.get_running_loop().create_task(work, name=name)

    async def _bring_about(self, pipeline: str) -> None:
        backoff_s = FIRST_BACKOFF_S
        try:
            while pipeline in self._wanted:
                deployment = self._wanted.pop(pipeline)
                try:
                    await self._do(pipeline, deployment)
                except Exception as error:
                    known = isinstance(error, PenstockError)
                    _log.warning(
                        "requests to it are not worked on, and that is tried again: %s",
                        error,
                        exc_info=None if known else error,
                        extra={"pipeline": pipeline},
                    )
                    self._wanted.setdefault(pipeline, deployment)
                    await asyncio.sleep(backoff_s)
                    backoff_s = min(2.0 * backoff_s, LAST_BACKOFF_S)
        finally:
            del self._tasks[pipeline]

    async def _do(self, pipeline: str, deployment: Deployment | None) -> None:
        if deployment is None:
            await self._worker.withdraw(pipeline)
            return
        plan = deployment.plan
        assert plan.pipeline is not None, "models have no streams"
        exactly_once = plan.pipeline.spec.delivery == "exactly-once"
        await self._worker.serve(deployment, partitions=plan.partitions, exactly_once=exactly_once)
