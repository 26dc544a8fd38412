"""The client of a server that may be down for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from penstock.core.children.supervisor import Process
from penstock.core.contracts.gateway import IndexEntry, ServerMetadata
from penstock.core.errors import LostError, NotReadyError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Headers
from penstock.core.signature import Signature
from penstock.servers.v2.client import (
    NO_HEADERS,
    NO_LOAD_PARAMETERS,
    LoadParameters,
    V2Client,
)

T = TypeVar("T")

END_PATIENCE_S: Final = 1.0
"""How long a call that broke waits to hear that its server has ended."""


class Run(NamedTuple):
    """One process of the server, and the client that calls it."""

    client: V2Client
    process: Process


class ChildClient(V2Client):
    """Calls the server as it runs now.

    While it does not run, calls end in NotReadyError, which says why and when it will; a call that
    breaks because it ended says that.
    """

    def __init__(self, name: str, why_not: Callable[[], str | None]) -> None:
        self._name = name
        self._why_not = why_not
        self._run: Run | None = None

    async def use(self, run: Run | None) -> None:
        """Call the server of this run from now on; calls to the one before end as lost."""
        before, self._run = self._run, run
        if before is not None:
            await before.client.close()

    async def lives(self, timeout_s: float) -> bool:
        """Whether the process answers, also one that is not up yet. Raises PenstockError."""
        run = self._run
        return run is not None and await run.client.server_live(timeout_s=timeout_s)

    @property
    def address(self) -> str:
        return f"server '{self._name}'" if self._run is None else self._run.client.address

    async def server_live(self, *, timeout_s: float | None = None) -> bool:
        return await self._running().client.server_live(timeout_s=timeout_s)

    async def server_ready(self, *, timeout_s: float | None = None) -> bool:
        return await self._running().client.server_ready(timeout_s=timeout_s)

    async def server_metadata(self, *, timeout_s: float | None = None) -> ServerMetadata:
        return await self._running().client.server_metadata(timeout_s=timeout_s)

    async def model_ready(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> bool:
        return await self._running().client.model_ready(name, version, timeout_s=timeout_s)

    async def model_metadata(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> Signature:
        run = self._running()
        return await self._told(run, run.client.model_metadata(name, version, timeout_s=timeout_s))

    async def infer(
        self,
        request: InferenceRequest,
        *,
        timeout_s: float | None = None,
        headers: Headers = NO_HEADERS,
    ) -> InferenceResponse:
        run = self._running()
        answer = run.client.infer(request, timeout_s=timeout_s, headers=headers)
        return await self._told(run, answer)

    async def repository_index(
        self, *, ready_only: bool = False, timeout_s: float | None = None
    ) -> Sequence[IndexEntry]:
        run = self._running()
        index = run.client.repository_index(ready_only=ready_only, timeout_s=timeout_s)
        return await self._told(run, index)

    async def load(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        run = self._running()
        await self._told(run, run.client.load(name, parameters, timeout_s=timeout_s))

    async def unload(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        run = self._running()
        await self._told(run, run.client.unload(name, parameters, timeout_s=timeout_s))

    async def close(self) -> None:
        await self.use(None)

    def _running(self) -> Run:
        why_not = self._why_not()
        if why_not is not None:
            raise NotReadyError(why_not)
        run = self._run
        assert run is not None, "a server that is up runs"
        how = run.process.how
        if how is not None:
            # Just now: who looks after it has not heard yet.
            raise NotReadyError(f"server '{self._name}' {how} and is being started again")
        return run

    async def _told(self, run: Run, answer: Awaitable[T]) -> T:
        """The answer; where it is lost because the server ended, an error that says that."""
        try:
            return await answer
        except LostError as error:
            how = await run.process.ended(END_PATIENCE_S)
            if how is None:
                raise
            said = f"server '{self._name}' {how} during the call; {error.message}"
            raise type(error)(said) from error
