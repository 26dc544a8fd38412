"""What stands in for a model without copies: it holds calls until one is loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Final

from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.errors import DeadlineError, NotReadyError, OverloadedError
from penstock.core.records import Tensors
from penstock.core.signature import Signature

MARGIN: Final = 0.05
"""Of the time that a call has left, so much is kept for saying why it was in vain; at most
``MOST_MARGIN_MS``."""

MOST_MARGIN_MS: Final = 50.0


class Sleeper(ModelInstance):
    """A model that is asleep, or has lost its last copy. It serves one such time.

    A call wakes it (``wake``) and waits, with ``most`` at a time, for as long as it may take;
    ``why_not`` says why the model is not loaded yet. ``clock`` is the one that deadlines of calls
    are in.
    """

    __slots__ = ("_clock", "_model", "_most", "_wake", "_why_not", "_woken", "held")

    def __init__(
        self,
        model: str,
        signature: Signature | None,
        most: int,
        clock: Clock,
        wake: Callable[[], None],
        why_not: Callable[[], str],
    ) -> None:
        super().__init__(signature)
        self._model = model
        self._most = most
        self._clock = clock
        self._wake = wake
        self._why_not = why_not
        self._woken: asyncio.Future[ModelInstance] = asyncio.get_running_loop().create_future()
        self.held = 0
        """How many calls wait."""

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        if self.held >= self._most:
            raise OverloadedError(
                f"{self.held} calls wait for model '{self._model}' to be loaded; send the request "
                "again later, or raise scheduler.autoscaling.maxHeld"
            )
        self.held += 1
        return self._hold(call)

    def wake_up(self, instance: ModelInstance) -> None:
        """The model is loaded: calls go on to ``instance``."""
        if not self._woken.done():
            self._woken.set_result(instance)

    def give_up(self, why: str) -> None:
        """The model will not be loaded for those that wait."""
        given_up, self._woken = self._woken, asyncio.get_running_loop().create_future()
        if not given_up.done():
            given_up.set_exception(NotReadyError(why))
            given_up.exception()  # nobody need be waiting

    async def _hold(self, call: ModelCall) -> Tensors:
        try:
            instance = await self._awake(call)
        finally:
            self.held -= 1
        answer = instance.infer(call)
        return await answer if isawaitable(answer) else answer

    async def _awake(self, call: ModelCall) -> ModelInstance:
        woken = self._woken
        if not woken.done():
            self._wake()  # which may give up at once
        left_ms = call.deadline_ms - self._clock.now_ms()
        left_ms -= min(left_ms * MARGIN, MOST_MARGIN_MS)
        try:
            async with asyncio.timeout(min(left_ms / 1000.0, 1e9)):
                return await asyncio.shield(woken)
        except TimeoutError:
            raise DeadlineError(
                f"model '{self._model}' was asleep, and was not loaded in time: {self._why_not()}"
            ) from None
