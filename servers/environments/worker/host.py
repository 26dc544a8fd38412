"""The models of one worker, and the threads that call them."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from penstock.core.arrays import Array
from penstock.core.byte_elements import Buffer
from penstock.core.clock import Clock
from penstock.core.contracts.model import Loader, ModelCall
from penstock.core.datatypes import DATATYPES
from penstock.core.errors import CancelledRequestError, InternalError, PenstockError
from penstock.core.records import Tensors
from penstock.servers.binding.bound_model import BoundModel
from penstock.servers.binding.loading import load_model
from penstock.servers.environments.wire import FORMAT, tensors_of
from penstock.servers.environments.worker.connection import Connection, Message
from penstock.servers.loader_choice import choose_loader
from penstock.servers.processes.documents import call_of, signature_document, spec_of
from penstock.servers.processes.frames import copy_into, unfilled

_log = logging.getLogger(__name__)


Lent: TypeAlias = "list[weakref.ref[Array]]"
"""Shared memory that a model was given, to see whether it still has it."""


class _Hosted(NamedTuple):
    """A model that is loaded, and the threads that it was given."""

    model: BoundModel
    threads: int


class ModelHost:
    """Loads models, and calls them, as it is told over a connection.

    Every thread does the same: it waits for a message and does what that says, so that a call is
    made by the thread that has read it. There are as many as the models may have calls at a time,
    and with ``spare`` one more. Loading is for the main thread, which some libraries insist on;
    async models run on a loop of their own.
    """

    def __init__(
        self, connection: Connection, loaders: Mapping[str, Loader], clock: Clock, *, spare: bool
    ) -> None:
        self._connection = connection
        self._loaders = loaders
        self._clock = clock
        self._models: dict[str, _Hosted] = {}
        self._jobs: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._least = 1 + spare
        self._threads = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running: dict[int, Future[None]] = {}

    def run(self) -> None:
        """Say what this environment is, and serve; never returns."""
        self._connection.send(
            {
                "format": FORMAT,
                "python": platform.python_version(),
                "numpy": np.__version__,
                "datatypes": [*DATATYPES],
            }
        )
        self._have_threads(self._least)
        while True:
            job = self._jobs.get()
            if job["do"] == "load":
                self._load(job)
            else:
                self._unload(job)

    def _have_threads(self, count: int) -> None:
        while self._threads < count:
            self._threads += 1
            threading.Thread(target=self._serve, name=f"calls {self._threads}", daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                self._do(self._connection.receive())
        except (EOFError, OSError):
            # Nobody is there any more, whatever the models are doing.
            os._exit(0)
        except BaseException:
            _end_in_error()

    def _do(self, received: Message) -> None:
        what = received.header["do"]
        if what == "call":
            self._begin_call(received)
        elif what == "cancel":
            running = self._running.get(received.header["call"])
            if running is not None:
                running.cancel()
        else:
            self._jobs.put(received.header)

    def _load(self, job: dict[str, Any]) -> None:
        spec = spec_of(job["spec"])
        try:
            model = load_model(choose_loader(spec, self._loaders), spec, self._clock)
        except PenstockError as error:
            self._connection.send(_refusal(job, error))
            return
        threads = 0 if model.is_async else job["concurrency"]
        self._models[job["model"]] = _Hosted(model, threads)
        if model.is_async and self._loop is None:
            self._loop = _new_loop()
        wanted = sum(each.threads for each in self._models.values())
        self._have_threads(wanted + self._least - 1)
        self._connection.send(
            {
                "id": job["id"],
                "signature": signature_document(model.signature),
                "warnings": model.warnings,
                "async": model.is_async,
            }
        )

    def _unload(self, job: dict[str, Any]) -> None:
        self._models.pop(job["model"], None)
        self._connection.send({"id": job["id"]})

    def _begin_call(self, received: Message) -> None:
        header = received.header
        hosted = self._models.get(header["model"])
        if hosted is None:
            gone = InternalError("the model is not loaded in its process")
            self._connection.send(_refusal(header, gone))
        elif hosted.model.is_async:
            assert self._loop is not None, "there is one with the first async model"
            running = asyncio.run_coroutine_threadsafe(
                self._call_async(hosted.model, received), self._loop
            )
            self._running[header["id"]] = running
            running.add_done_callback(lambda _: self._running.pop(header["id"], None))
        else:
            self._call(hosted.model, received)

    def _call(self, model: BoundModel, received: Message) -> None:
        lent: Lent = []
        self._send(*self._outcome(model, received, lent), lent)

    def _outcome(
        self, model: BoundModel, received: Message, lent: Lent
    ) -> tuple[dict[str, Any], Sequence[Buffer]]:
        """Make a call: what is to be sent. Nothing of the call is held when this has returned, but
        by the model. ``lent`` is filled."""
        call = self._read(received, lent)
        try:
            return self._answer(received.header, model.call(call), lent)
        except PenstockError as error:
            return _refusal(received.header, error), ()

    async def _call_async(self, model: BoundModel, received: Message) -> None:
        lent: Lent = []
        try:
            self._send(*await self._outcome_async(model, received, lent), lent)
        except BaseException:
            _end_in_error()

    async def _outcome_async(
        self, model: BoundModel, received: Message, lent: Lent
    ) -> tuple[dict[str, Any], Sequence[Buffer]]:
        call = self._read(received, lent)
        try:
            return self._answer(received.header, await model.call_async(call), lent)
        except PenstockError as error:
            return _refusal(received.header, error), ()
        except asyncio.CancelledError:
            # Nobody waits for it but the place that it has.
            gone = CancelledRequestError("the call was given up")
            return _refusal(received.header, gone), ()

    def _read(self, received: Message, lent: Lent) -> ModelCall:
        header, contents = received
        shared = header.get("shared")
        if shared is not None:
            memory = self._connection.memory(*shared)
            contents = _copy(memory.data) if header["copied"] else memory.data
            lent.append(weakref.ref(memory))
        return call_of(header["call"], tensors_of(header["tensors"], contents), self._clock)

    def _answer(
        self, asked: dict[str, Any], answer: Tensors, lent: Lent
    ) -> tuple[dict[str, Any], Sequence[Buffer]]:
        header: dict[str, Any] = {"id": asked["id"]}
        contents = self._connection.prepare(header, answer, asked["room"])
        if lent and contents:
            # What a model puts out may lie where its input does, which is given back.
            return header, [bytes(each) for each in contents]
        return header, contents

    def _send(self, header: dict[str, Any], contents: Sequence[Buffer], lent: Lent) -> None:
        if lent:
            header["kept"] = any(each() is not None for each in lent)
        self._connection.send(header, contents)


def _refusal(asked: dict[str, Any], error: PenstockError) -> dict[str, Any]:
    return {"id": asked["id"], "code": error.code, "message": error.message}


def _end_in_error() -> None:
    """A call without an answer would be waited for."""
    _log.exception("the worker cannot go on")
    os._exit(1)


def _copy(contents: memoryview) -> memoryview:
    copy = unfilled(len(contents))
    copy_into(copy, contents)
    return copy


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="async calls", daemon=True).start()
    return loop
