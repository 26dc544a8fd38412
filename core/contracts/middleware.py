"""The contract of a middleware: what stands around every inference of the gateway."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Headers


@dataclass(frozen=True, slots=True)
class GatewayRequest:
    """A request as it entered, whatever front end it came through.

    ``target`` is the name as the caller wrote it, with its suffix; ``headers`` are in lower case;
    ``timeout_ms`` is the caller's own, None where it named none.
    """

    target: str
    body: InferenceRequest
    headers: Headers
    timeout_ms: float | None


CallNext: TypeAlias = Callable[[GatewayRequest], Awaitable[InferenceResponse]]


class Middleware(ABC):
    """Sees every request on its way in and every answer on its way out.

    Middlewares nest in the order of their names. While none is installed, requests take a way
    without any of this.
    """

    @abstractmethod
    async def infer(self, request: GatewayRequest, call_next: CallNext) -> InferenceResponse:
        """Answer ``request``, usually by ``await call_next(request)``.

        Called on the event loop for every synchronous inference, before anything is looked up;
        it may change the request, answer by itself, or refuse by raising PenstockError. Any other
        exception is ``internal``. ``call_next`` raises PenstockError, which should pass on.
        """
