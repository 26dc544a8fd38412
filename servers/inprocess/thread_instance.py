"""``execution: thread`` and ``process``: a model that threads of its own call."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.own_thread import in_own_thread
from penstock.core.records import Tensors
from penstock.core.signature import Signature
from penstock.servers.binding.worker import Worker
from penstock.servers.inprocess.threads import Job, ModelThreads
from penstock.servers.inprocess.waiting import Patience

_log = logging.getLogger(__name__)


class ThreadInstance(ModelInstance):
    """Calls the model with as many threads as there are ``workers``.

    A call whose awaitable is cancelled is given up, not ended: nobody can end a thread, so it
    keeps its place until the model returns; one that still waits for a thread never begins, and
    counts as waiting until its turn comes. :meth:`close` waits for all of them, up to ``grace_s``.
    """

    __slots__ = (
        "_grace_s",
        "_idle",
        "_limit",
        "_loop",
        "_name",
        "_patience",
        "_places",
        "_threads",
        "_under_way",
        "_workers",
    )

    def __init__(
        self,
        name: str,
        signature: Signature | None,
        workers: Sequence[Worker],
        *,
        patience: Patience,
        grace_s: float,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(signature)
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._places = len(workers)
        self._limit = len(workers) + patience.limit
        self._patience = patience
        self._workers = workers
        self._threads = ModelThreads(name, workers, self._done, timer=timer)
        self._under_way = 0
        self._grace_s = grace_s
        self._idle: asyncio.Event | None = None

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        if self._under_way >= self._limit:
            raise self._patience.overloaded()
        future: asyncio.Future[Tensors] = self._loop.create_future()
        job = Job(call, future)
        if self._under_way >= self._places:
            job.timer = self._patience.begin(future, call.deadline_ms)
        self._put(job)
        return future

    async def close(self) -> None:
        if self._under_way:
            self._idle = asyncio.Event()
            try:
                async with asyncio.timeout(self._grace_s):
                    await self._idle.wait()
            except TimeoutError:
                _log.warning(
                    "model '%s' is unloaded while calls that were given up hang in it",
                    self._name,
                    extra={"model": self._name},
                )
                for worker in self._workers:
                    worker.abort()
        for worker in self._threads.stop():
            if worker.waits_on_close:
                await in_own_thread(worker.close, f"closing model {self._name}")
            else:
                worker.close()

    def _put(self, job: Job) -> None:
        self._threads.put(job, under_way=self._under_way)
        self._under_way += 1

    def _done(self, job: Job) -> None:
        """A thread is through with ``job``."""
        self._ended()
        job.settle()

    def _ended(self) -> None:
        self._under_way -= 1
        if self._idle is not None and not self._under_way:
            self._idle.set()
