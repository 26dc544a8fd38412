"""A client of a server that is not there: tests answer its calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from penstock.core.contracts.gateway import IndexEntry, ServerMetadata
from penstock.core.errors import NotFoundError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Headers
from penstock.core.signature import Signature
from penstock.core.tensors import Tensor
from penstock.servers.v2.client import NO_HEADERS, NO_LOAD_PARAMETERS, LoadParameters, V2Client


class Sent(NamedTuple):
    """A call of a model."""

    request: InferenceRequest
    timeout_s: float | None
    headers: Headers
    answer: asyncio.Future[tuple[Tensor, ...]]


class FakeV2Client(V2Client):
    """``signatures`` are of the models that the server knows, ``ready`` those that can answer."""

    def __init__(self) -> None:
        self.signatures: dict[str, Signature] = {}
        self.ready: set[str] = set()
        self.sent: list[Sent] = []

    @property
    def address(self) -> str:
        return "fake://server:1"

    async def server_live(self, *, timeout_s: float | None = None) -> bool:
        return True

    async def server_ready(self, *, timeout_s: float | None = None) -> bool:
        return True

    async def server_metadata(self, *, timeout_s: float | None = None) -> ServerMetadata:
        return ServerMetadata("fake", "1", ())

    async def model_ready(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> bool:
        return name in self.ready

    async def model_metadata(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> Signature:
        if name not in self.signatures:
            raise NotFoundError(f"the server at {self.address} says: there is no '{name}'")
        return self.signatures[name]

    async def infer(
        self,
        request: InferenceRequest,
        *,
        timeout_s: float | None = None,
        headers: Headers = NO_HEADERS,
    ) -> InferenceResponse:
        answer: asyncio.Future[tuple[Tensor, ...]] = asyncio.get_running_loop().create_future()
        self.sent.append(Sent(request, timeout_s, headers, answer))
        return InferenceResponse(request.model_name, "", request.id, await answer)

    def answer(self, result: tuple[Tensor, ...] | PenstockError, index: int = 0) -> None:
        """End one of the calls that wait."""
        waiting = [each.answer for each in self.sent if not each.answer.done()]
        if isinstance(result, PenstockError):
            waiting[index].set_exception(result)
        else:
            waiting[index].set_result(result)

    async def repository_index(
        self, *, ready_only: bool = False, timeout_s: float | None = None
    ) -> Sequence[IndexEntry]:
        return []

    async def load(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        self.ready.add(name)

    async def unload(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        self.ready.discard(name)

    async def close(self) -> None:
        pass
