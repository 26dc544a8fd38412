"""Model instances for tests of what calls them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.records import Tensors


class Inline(ModelInstance):
    """Answers at once with what a function makes of the call."""

    def __init__(self, function: Callable[[ModelCall], Tensors]) -> None:
        super().__init__()
        self._function = function
        self.calls: list[ModelCall] = []

    def infer(self, call: ModelCall) -> Tensors:
        self.calls.append(call)
        return self._function(call)


class Gated(ModelInstance):
    """Answers each call when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[ModelCall] = []
        self.cancelled = 0
        self._answers: list[asyncio.Future[Tensors]] = []

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        answer: asyncio.Future[Tensors] = asyncio.get_running_loop().create_future()
        self.calls.append(call)
        self._answers.append(answer)
        return self._wait(answer)

    def answer(self, tensors: Tensors | Exception, index: int = 0) -> None:
        """End the call at ``index`` of those that wait."""
        answer = self._answers.pop(index)
        if isinstance(tensors, Exception):
            answer.set_exception(tensors)
        else:
            answer.set_result(tensors)

    async def _wait(self, answer: asyncio.Future[Tensors]) -> Tensors:
        try:
            return await answer
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
