"""Models whose ``predict`` is async: they run on the event loop, several calls at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any

from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.records import Tensors
from penstock.servers.binding.bound_model import BoundModel
from penstock.servers.inprocess.waiting import Patience, Places


class AsyncInstance(ModelInstance):
    """Runs up to ``concurrency`` calls at a time, in the tasks that await the answers."""

    __slots__ = ("_call", "_places")

    def __init__(self, model: BoundModel, *, concurrency: int, patience: Patience) -> None:
        super().__init__(model.signature)
        self._call = model.call_async
        self._places = Places(concurrency, patience)

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        return _Attempt(self, call)

    async def run(self, call: ModelCall) -> Tensors:
        """Wait for a place, and call the model in the running task."""
        await self._places.take(call.deadline_ms)
        try:
            return await self._call(call)
        finally:
            self._places.give_back()

    async def close(self) -> None:
        await self._places.idle()


class _Attempt(Awaitable[Tensors]):
    """A call that begins when it is awaited; one that is never awaited takes no place."""

    __slots__ = ("_call", "_instance")

    def __init__(self, instance: AsyncInstance, call: ModelCall) -> None:
        self._instance = instance
        self._call = call

    def __await__(self) -> Generator[Any, None, Tensors]:
        return self._instance.run(self._call).__await__()
