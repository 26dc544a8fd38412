"""The answer to one call, whether it comes at once or later."""

from __future__ import annotations

import asyncio

from penstock.core.contracts.gateway import Ticket
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceResponse


class PendingAnswer:
    """What is handed to ``Target.submit`` as ``reply``.

    A pipeline of models on the event loop has answered before ``submit`` returns; then no future
    is made and nobody waits.
    """

    __slots__ = ("_arrival", "_result")

    def __init__(self) -> None:
        self._result: InferenceResponse | PenstockError | None = None
        self._arrival: asyncio.Future[None] | None = None

    def __call__(self, result: InferenceResponse | PenstockError) -> None:
        """Take the answer in."""
        self._result = result
        arrival = self._arrival
        if arrival is not None and not arrival.done():
            arrival.set_result(None)

    async def of(self, ticket: Ticket) -> InferenceResponse | PenstockError:
        """The answer. When the waiting is cancelled, the caller is gone, and so is the request."""
        if self._result is None:
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                await self._arrival
            except asyncio.CancelledError:
                ticket.cancel()
                raise
        assert self._result is not None, "who wakes the waiting brings the answer"
        return self._result
