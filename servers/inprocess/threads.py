"""Threads that belong to one model, and how calls get to them and back to the event loop.

Each model has its own threads, so that one that hangs takes nobody else's. Calls cross by a queue,
answers by a list and one wake-up of the loop for all that are there.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from penstock.core.contracts.model import ModelCall
from penstock.core.errors import InternalError, PenstockError
from penstock.core.records import Tensors
from penstock.servers.binding.worker import Worker
from penstock.servers.inprocess.waiting import fail

_log = logging.getLogger(__name__)


class Job:
    """One call on its way through a thread.

    ``future`` is who waits for it on the loop, None while nobody does; ``timer`` ends its wait for
    a thread. ``outcome`` and ``took_s`` are there when it is done. A trial has ``done``, which the
    thread releases for who waits in place; ``taken`` says that it has got the outcome there.
    """

    __slots__ = ("call", "done", "future", "outcome", "taken", "timer", "took_s")

    def __init__(self, call: ModelCall, future: asyncio.Future[Tensors] | None = None) -> None:
        self.call = call
        self.future = future
        self.timer: asyncio.TimerHandle | None = None
        self.done: threading.Lock | None = None
        self.taken = False
        self.outcome: Tensors | PenstockError = ()
        self.took_s = 0.0

    def settle(self) -> None:
        """On the loop: tell who waits how it ended. Nobody does when the call was given up."""
        if self.timer is not None:
            self.timer.cancel()
        future = self.future
        if future is None or future.done():
            return
        if isinstance(self.outcome, PenstockError):
            fail(future, self.outcome)
        else:
            future.set_result(self.outcome)


class ModelThreads:
    """One thread for each worker, begun when there is first something to do for it.

    ``on_done`` is called on the loop with every job that ends and was not taken. Threads are
    daemons: one that hangs in a model cannot be ended, and does not keep the process from ending.
    """

    def __init__(
        self,
        model: str,
        workers: Sequence[Worker],
        on_done: Callable[[Job], None],
        *,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._model = model
        self._workers = workers
        self._on_done = on_done
        self._timer = timer
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._finished: deque[Job] = deque()
        self._waking = False
        self._stopping = False
        self._threads: list[threading.Thread] = []

    def put(self, job: Job, *, under_way: int) -> None:
        """Have ``job`` done, after the ``under_way`` others that were put and have not ended."""
        begun = len(self._threads)
        if begun <= under_way and begun < len(self._workers):
            thread = threading.Thread(
                target=self._work,
                args=(self._workers[begun],),
                name=f"model {self._model} {begun}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    def rest(self) -> None:
        """Have every thread end after what it is doing; others begin when they are needed."""
        for _ in self._threads:
            self._jobs.put(None)
        self._threads.clear()

    def stop(self) -> Sequence[Worker]:
        """Have every thread end after what it is doing, and close its worker.

        Returned are the workers that no thread has, which the caller closes.
        """
        self._stopping = True
        without = self._workers[len(self._threads) :]
        self.rest()
        return without

    def _work(self, worker: Worker) -> None:
        jobs, timer = self._jobs, self._timer
        while (job := jobs.get()) is not None:
            # Who has left while the job waited does not cost the model a call.
            if job.future is None or not job.future.done():
                began_s = timer()
                job.outcome = self._outcome(worker, job.call)
                job.took_s = timer() - began_s
            self._finished.append(job)
            if job.done is not None:
                job.done.release()
            # Tensors shall not live until the next job comes.
            del job
            self._wake()
        if self._stopping:
            worker.close()

    def _outcome(self, worker: Worker, call: ModelCall) -> Tensors | PenstockError:
        try:
            return worker.call(call)
        except PenstockError as error:
            return error
        except BaseException as error:
            # Workers promise to raise nothing else; a thread that ended would lose its place.
            _log.exception(
                "model '%s' could not be called", self._model, extra={"model": self._model}
            )
            return InternalError(f"model '{self._model}' could not be called: {error!r}")

    def _wake(self) -> None:
        if self._waking:
            return
        self._waking = True
        try:
            self._loop.call_soon_threadsafe(self._hand_back)
        except RuntimeError:
            _log.debug("model '%s' ended a call after the event loop had closed", self._model)

    def _hand_back(self) -> None:
        # First, so that what is finished from here on wakes the loop again.
        self._waking = False
        finished, on_done = self._finished, self._on_done
        while finished:
            job = finished.popleft()
            if not job.taken:
                on_done(job)
