"""A model in a worker, as it is called from this process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from penstock.core.byte_elements import Buffer
from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.errors import (
    InternalError,
    NotReadyError,
    PenstockError,
    UnsupportedError,
    error_of,
)
from penstock.core.records import Tensors
from penstock.core.signature import Signature
from penstock.servers.environments.job import Job
from penstock.servers.environments.run import Run
from penstock.servers.environments.wire import ALIGNMENT, Placed, placed, tensors_of
from penstock.servers.inprocess.waiting import Patience, fail
from penstock.servers.processes.documents import call_document

T = TypeVar("T")

LARGE: Final = 2 * 1024 * 1024
"""Bytes from which on a copy is made in a thread: the event loop must not stand still for it."""

MOST_OF_REGION: Final = 4
"""An answer that takes more than one part in so many of the shared memory goes by the socket, so
that several calls have room."""


class WorkerModel(ModelInstance):
    """Calls the model that a worker has under ``key``, up to ``concurrency`` times at once.

    A call whose awaitable is cancelled keeps its place until the model has answered; an async
    model is told, and gives up. One that still waits for a place never begins.
    """

    __slots__ = (
        "_clock",
        "_concurrency",
        "_copied",
        "_idle",
        "_is_async",
        "_jobs",
        "_loop",
        "_patience",
        "_room",
        "_run",
        "_waiting",
        "_why_not",
        "key",
    )

    def __init__(
        self,
        key: str,
        signature: Signature | None,
        *,
        is_async: bool,
        concurrency: int,
        patience: Patience,
        clock: Clock,
    ) -> None:
        super().__init__(signature)
        self.key = key
        self._is_async = is_async
        self._concurrency = concurrency
        self._patience = patience
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._run: Run | None = None
        self._why_not: Callable[[], str] = lambda: "its process is not up"
        self._jobs: set[Job] = set()
        self._waiting: deque[Job] = deque()
        self._idle: asyncio.Event | None = None
        self._room = 0
        self._copied = False

    def use(self, run: Run) -> None:
        """Call it in this process from now on."""
        self._run = run
        self.available = True

    def lose(self, error: PenstockError, why_not: Callable[[], str]) -> None:
        """The process is gone: calls in it end in ``error``, and others are told ``why_not``."""
        self._run, self._why_not, self.available = None, why_not, False
        for job in list(self._jobs):
            self._end(job, error)

    def is_overdue(self, now_ms: float) -> bool:
        """Whether a call is still under way after its deadline."""
        return any(job.call.deadline_ms <= now_ms for job in self._jobs)

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        job = Job(call, self._loop.create_future())
        if len(self._jobs) < self._concurrency:
            self._begin(job)
            return job.future
        if len(self._waiting) >= self._patience.limit:
            self._waiting = deque(each for each in self._waiting if not each.future.done())
            if len(self._waiting) >= self._patience.limit:
                raise self._patience.overloaded()
        job.timer = self._patience.begin(job.future, call.deadline_ms)
        self._waiting.append(job)
        return job.future

    async def close(self) -> None:
        """Return when no call is under way any more."""
        if self._jobs:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def _begin(self, job: Job) -> None:
        """Send a call. Raises PenstockError when that cannot be."""
        run = self._run
        if run is None or not run.connection.is_open:
            raise NotReadyError(self._why_not())
        self._check(job.call.tensors, run)
        tensors = placed(job.call.tensors, alignment=ALIGNMENT)
        job.goes_to(run, tensors.size, self._room)
        self._jobs.add(job)
        if job.start is None:
            self._send(job, run, placed(job.call.tensors))
            return
        place = run.region.view(job.start, tensors.size)
        if tensors.size < LARGE:
            tensors.write(place)
            self._send(job, run, tensors)
        else:
            self._in_thread(
                job, partial(tensors.write, place), lambda _: self._send(job, run, tensors)
            )

    def _send(self, job: Job, run: Run, tensors: Placed) -> None:
        if job.over or not run.connection.is_open:
            return  # who sees the process end has ended it, or will
        header: dict[str, Any] = {
            "do": "call",
            "model": self.key,
            "call": call_document(job.call, self._clock.now_ms()),
            "tensors": tensors.described,
            "room": job.room or (0, 0),
        }
        contents: Sequence[Buffer] = tensors.raws
        if job.start is not None:
            contents = ()
            header["shared"] = job.start, tensors.size
            header["copied"] = self._copied
        job.number = run.connection.ask(header, contents, partial(self._answered, job, run))
        if self._is_async:
            job.future.add_done_callback(partial(self._give_up, job, run))

    def _give_up(self, job: Job, run: Run, future: asyncio.Future[Tensors]) -> None:
        if future.cancelled() and not job.over and run.connection.is_open:
            run.connection.tell({"do": "cancel", "call": job.number})

    def _answered(self, job: Job, run: Run, header: dict[str, Any], contents: memoryview) -> None:
        if job.over:
            return
        if header.get("kept"):
            # The model holds on to what it was given: that memory is its own for good, and from now
            # on it is given copies.
            self._copied, job.start = True, None
        if "code" in header:
            self._end(job, error_of(header["code"], header["message"]))
            return
        if self._room < header["size"] <= run.region.size // MOST_OF_REGION:
            self._room = header["size"]
        if "shared" not in header:
            self._end(job, tensors_of(header["tensors"], contents))
        elif job.future.done():
            self._end(job, ())
        else:
            self._fetch(job, run, header)

    def _fetch(self, job: Job, run: Run, header: dict[str, Any]) -> None:
        """Take an answer that lies in shared memory."""
        start, size = header["shared"]

        def take(contents: memoryview) -> None:
            self._end(job, tensors_of(header["tensors"], contents))

        if run.region.may_lend:
            job.room = None
            take(run.region.lend(start, size))
        elif size < LARGE:
            take(run.region.copy(start, size))
        else:
            self._in_thread(job, partial(run.region.copy, start, size), take)

    def _in_thread(self, job: Job, copy: Callable[[], T], then: Callable[[T], None]) -> None:
        """Copy in a thread, and go on with what comes of that."""

        def done(copying: asyncio.Future[T]) -> None:
            error = asyncio.CancelledError() if copying.cancelled() else copying.exception()
            if error is None:
                then(copying.result())
            else:
                self._end(job, InternalError(f"tensors could not be copied: {error!r}"))

        self._loop.run_in_executor(None, copy).add_done_callback(done)

    def _end(self, job: Job, outcome: Tensors | PenstockError) -> None:
        """A call is through; begin the next."""
        if not job.over:
            self._jobs.discard(job)
            job.settle(outcome)
            self._next()

    def _next(self) -> None:
        while self._waiting and len(self._jobs) < self._concurrency:
            job = self._waiting.popleft()
            if job.timer is not None:
                job.timer.cancel()
            if job.future.done():
                continue
            try:
                self._begin(job)
            except PenstockError as error:
                fail(job.future, error)
        if self._idle is not None and not self._jobs:
            self._idle.set()

    def _check(self, tensors: Tensors, run: Run) -> None:
        """Refuse tensors of datatypes that the environment has no numpy type for."""
        for tensor in tensors:
            if tensor.datatype not in run.connection.hello["datatypes"]:
                raise UnsupportedError(
                    f"tensor '{tensor.name}' is {tensor.datatype}, which needs the package "
                    "ml_dtypes in the environment of the model; install it there"
                )
