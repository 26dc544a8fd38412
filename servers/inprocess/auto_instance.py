"""``execution: auto``: a model that starts off the event loop, and moves there if it is quick."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from penstock.core.contracts.model import INLINE_LIMIT_MS, ModelCall
from penstock.core.errors import PenstockError
from penstock.core.records import Tensors
from penstock.servers.binding.bound_model import BoundModel
from penstock.servers.inprocess.interruptions import Interruptions
from penstock.servers.inprocess.thread_instance import ThreadInstance
from penstock.servers.inprocess.threads import Job
from penstock.servers.inprocess.trials import PATIENCE_S, Trials
from penstock.servers.inprocess.waiting import Patience

IN_ONE_GO: Final = 16
"""How many of those that were held back go on before the loop may do something else."""

BRIEF_MS: Final = 50.0
"""A call on the event loop that took longer is held against its model for good."""

FIRST_REST_S: Final = 10.0
LONGEST_REST_S: Final = 640.0
"""How long a model that took less stays off the event loop; twice as long each time."""

_log = logging.getLogger(__name__)


class AutoInstance(ThreadInstance):
    """Calls a model by threads until it has proven to be quick, and then on the event loop.

    One call of over INLINE_LIMIT_MS there takes it back to its threads, unless it was held up by
    others (``interruptions``). Not every hold-up is seen, so after a rest it may prove itself
    again, if it did not take over BRIEF_MS. A trial wants all threads idle; for a model that has
    one, calls are held back until then.
    """

    __slots__ = ("_call", "_held", "_interruptions", "_rest_s", "_resting", "_timer", "_trials")

    def __init__(
        self,
        model: BoundModel,
        *,
        concurrency: int,
        interruptions: Interruptions,
        patience: Patience,
        grace_s: float,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(
            model.name,
            model.signature,
            [model] * concurrency,
            patience=patience,
            grace_s=grace_s,
            timer=timer,
        )
        self._call = model.call
        self._timer = timer
        self._interruptions = interruptions
        self._trials: Trials | None = Trials()
        self._held: deque[Job] = deque()
        self._rest_s = FIRST_REST_S
        self._resting: asyncio.TimerHandle | None = None

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        if self.inline is not None:
            return self._call_timed(call)
        if self._held:
            return self._hold(call)
        trials = self._trials
        if trials is None or (self._under_way and self._places > 1) or not trials.due():
            return super().infer(call)
        if self._under_way:
            return self._hold(call)
        job = Job(call)
        if not self._try(job, trials):
            job.future = self._loop.create_future()
            return job.future
        if isinstance(job.outcome, PenstockError):
            raise job.outcome
        return job.outcome

    def overran(self, took_ms: float) -> None:
        if not self._interruptions.may_explain((took_ms - INLINE_LIMIT_MS) / 1000.0):
            self._leave_the_loop(took_ms)

    async def close(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        await super().close()

    def _call_timed(self, call: ModelCall) -> Tensors:
        began_s = self._timer()
        try:
            return self._call(call)
        finally:
            took_ms = (self._timer() - began_s) * 1000.0
            if took_ms > INLINE_LIMIT_MS:
                self.overran(took_ms)

    def _hold(self, call: ModelCall) -> Awaitable[Tensors]:
        if self._under_way + len(self._held) >= self._limit:
            raise self._patience.overloaded()
        future: asyncio.Future[Tensors] = self._loop.create_future()
        job = Job(call, future)
        job.timer = self._patience.begin(future, call.deadline_ms)
        self._held.append(job)
        return future

    def _done(self, job: Job) -> None:
        super()._done(job)
        if self._held and not self._under_way:
            self._go_on()

    def _go_on(self) -> None:
        """Let those go on that were held back."""
        for _ in range(IN_ONE_GO):
            if not self._held:
                return
            trials = None if self.inline is not None else self._trials
            is_trial = trials is not None and trials.due()
            if is_trial and self._under_way:
                return
            job = self._held.popleft()
            assert job.future is not None, "somebody waits for what is held back"
            if job.future.done():
                job.settle()
            elif self.inline is not None:
                try:
                    job.outcome = self._call_timed(job.call)
                except PenstockError as error:
                    job.outcome = error
                job.settle()
            elif trials is None or not is_trial:
                self._put(job)
            elif self._try(job, trials):
                job.settle()
        self._loop.call_soon(self._go_on)

    def _try(self, job: Job, trials: Trials) -> bool:
        """Have a thread do the job while the loop waits, for as long as patience lasts; whether it
        was over by then."""
        done = job.done = threading.Lock()
        done.acquire()
        self._put(job)
        if not done.acquire(timeout=PATIENCE_S):
            trials.judge(None)
            return False
        job.taken = True
        self._ended()
        if trials.judge(job.took_s):
            self.inline = self._call
            self._threads.rest()
            _log.debug("model '%s' is quick: it moves to the event loop", self._name)
        return True

    def _leave_the_loop(self, took_ms: float) -> None:
        self.inline = None
        self._trials = None
        if took_ms > BRIEF_MS:
            until = "for good"
        else:
            until = f"for {self._rest_s:g} s"
            self._resting = self._loop.call_later(self._rest_s, self._try_again)
            self._rest_s = min(2.0 * self._rest_s, LONGEST_REST_S)
        _log.info(
            "model '%s' took more than %g ms (%.0f): it leaves the event loop %s",
            self._name,
            INLINE_LIMIT_MS,
            took_ms,
            until,
            extra={"model": self._name},
        )

    def _try_again(self) -> None:
        self._trials = Trials()
