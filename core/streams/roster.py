"""What a worker is to work on, and what it works on: one change of a pipeline after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from penstock.core.dataflow import Deployment
from penstock.core.errors import PenstockError

FIRST_BACKOFF_S: Final = 0.5
LAST_BACKOFF_S: Final = 15.0

_log = logging.getLogger(__name__)


class Rostered(Protocol):
    """Who works on pipelines: their requests, or the calls of their steps."""

    def renew(self, deployment: Deployment) -> None:
        """Begin with this version at once, where nothing else is to be done for it."""

    async def serve(
        self, deployment: Deployment, *, partitions: int = 1, exactly_once: bool = False
    ) -> None:
        """Work on a pipeline, and begin with this version."""

    def close(self, pipeline: str) -> None:
        """Take up nothing more of a pipeline."""

    async def withdraw(self, pipeline: str) -> None:
        """Work on a pipeline no more."""

    async def stop(self, *, forced: bool = False) -> None:
        """Hand everything over."""


class Roster:
    """Brings workers to what is served. Told at once, and done in tasks of its own.

    A version that is served begins all requests from when this is told, so that the one before can
    go; nothing of a pipeline that is withdrawn begins from then on. ``laid_out`` gives a version
    the layout in which they work on it; where there are several, those that others wait for come
    last.
    """

    def __init__(
        self, workers: Sequence[Rostered], laid_out: Callable[[Deployment], Deployment]
    ) -> None:
        self._workers = tuple(workers)
        self._laid_out = laid_out
        self._wanted: dict[str, Deployment | None] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._over = False

    def serve(self, deployment: Deployment) -> None:
        """Have a pipeline worked on, beginning requests with this version."""
        deployment = self._laid_out(deployment)
        for worker in self._workers:
            worker.renew(deployment)
        self._want(deployment.plan.name, deployment)

    def withdraw(self, pipeline: str) -> None:
        """Have what is under way of a pipeline finished, and the rest left."""
        for worker in self._workers:
            worker.close(pipeline)
        self._want(pipeline, None)

    async def stop(self, *, forced: bool = False) -> None:
        """Hand everything over, and begin nothing any more; ``forced`` as a crash would."""
        self._over = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in self._workers:
            await worker.stop(forced=forced)

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
            for worker in self._workers:
                await worker.withdraw(pipeline)
            return
        plan = deployment.plan
        assert plan.pipeline is not None, "models have no streams"
        for worker in self._workers:
            await worker.serve(
                deployment, partitions=plan.partitions, exactly_once=plan.exactly_once
            )
