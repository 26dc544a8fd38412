"""Gateways that follow a control plane in one process, over links that tests break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

from harness.control_plane import PLACE, Plane
from harness.events import PATIENCE_S
from penstock.core.clock import SystemClock
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.contracts.model import ModelCall, ModelInstance, ModelSpec, ServerAdapter
from penstock.core.control.background import Background
from penstock.core.dataflow import Dataflow
from penstock.core.errors import NotReadyError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.records import Tensors
from penstock.core.routing.book import RouteBook
from penstock.core.routing.copy_servers import CopyServers
from penstock.core.routing.follower import RouteFollower
from penstock.core.routing.route import Acknowledgement, Route, Update
from penstock.core.routing.switchboard import Switchboard
from penstock.testing.joins import Joins
from penstock.testing.scripts import tensor

HERE = "grpc://scheduler:1"


class FarInstance(ModelInstance):
    """Calls a model as one in another process is called: not at once."""

    def __init__(self, plane: Plane, model: str, version: str, misses: list[str]) -> None:
        super().__init__()
        self._plane = plane
        self._model = model
        self._version = version
        self._misses = misses

    async def infer(self, call: ModelCall) -> Tensors:
        await asyncio.sleep(0)
        try:
            return await self._answer(call)
        except PenstockError as error:
            self._misses.append(str(error))
            raise
        finally:
            await asyncio.sleep(0)

    async def _answer(self, call: ModelCall) -> Tensors:
        """The answer of the plane's own gateway."""
        answer: asyncio.Future[InferenceResponse | PenstockError]
        answer = asyncio.get_running_loop().create_future()
        target = self._plane.gateway.resolve(self._model, version=self._version or None)
        target.submit(InferenceRequest(None, call.tensors), {}, None, answer.set_result)
        result = await answer
        if isinstance(result, PenstockError):
            raise result
        return result.tensors


class PlacedInstance(FarInstance):
    """Calls the server of a plane, past the plane."""

    async def _answer(self, call: ModelCall) -> Tensors:
        key = (self._model, int(self._version))
        instance = self._plane.server.loaded.get(key)
        if instance is None:
            raise NotReadyError(f"{key} is not there")
        result = instance.infer(call)
        tensors: Tensors = result if isinstance(result, tuple) else await result
        if self._plane.server.loaded.get(key) is not instance:
            raise NotReadyError(f"{key} was unloaded while it was called")
        return tensors


class FarServer(ServerAdapter):
    """Copies of a plane's models, as gateways reach them."""

    def __init__(self, plane: Plane, kind: type[FarInstance]) -> None:
        self._plane = plane
        self._kind = kind
        self.loaded = 0
        self.misses: list[str] = []
        """Why calls found nothing there to call."""

    async def start(self) -> None:
        """It is there."""

    def capabilities(self) -> frozenset[str]:
        return frozenset()

    async def load(self, spec: ModelSpec) -> ModelInstance:
        self.loaded += 1
        names = (spec.parameters["remoteModel"], spec.parameters["remoteVersion"])
        return self._kind(self._plane, *names, self.misses)

    async def unload(self, instance: ModelInstance) -> None:
        self.loaded -= 1

    async def stop(self) -> None:
        assert not self.loaded, "models are let go before their server is"


class Link:
    """What connects a gateway to the book of a scheduler; it may be cut, and hold news back."""

    def __init__(self, book: RouteBook) -> None:
        self.book = book
        self.whole = True
        self.connections = 0
        self._cut = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    def cut(self) -> None:
        """Break the connection, and let none be made."""
        self.whole = False
        self._cut.set()

    def mend(self) -> None:
        """Let connections be made again."""
        self.whole = True
        self._cut = asyncio.Event()

    async def connect(self, said: AsyncIterator[Acknowledgement]) -> AsyncGenerator[Update]:
        if not self.whole:
            raise NotReadyError("nobody is there")
        self.connections += 1
        async with aclosing(self.book.follow(said)) as updates:
            while (update := await self._next(updates)) is not None:
                yield update

    async def _next(self, updates: AsyncGenerator[Update]) -> Update | None:
        cut = asyncio.ensure_future(self._cut.wait())
        following = asyncio.ensure_future(_anext(updates))
        try:
            await asyncio.wait((cut, following), return_when=asyncio.FIRST_COMPLETED)
            if cut.done():
                raise NotReadyError("the connection broke")
            await self.open.wait()
            return following.result()
        finally:
            cut.cancel()
            following.cancel()
            await asyncio.wait((cut, following))


class FollowingGateway:
    """One gateway, without front ends."""

    def __init__(self, plane: Plane, book: RouteBook, name: str = "gateway") -> None:
        clock = SystemClock()
        self.link = Link(book)
        self.far = {
            HERE: FarServer(plane, FarInstance),
            PLACE: FarServer(plane, PlacedInstance),
        }
        self.models = ModelGateway()
        self.metrics = Metrics()
        self.dataflow = Dataflow(self.models, self.metrics, clock)
        self.dataflow.start()
        metadata = ServerMetadata("penstock", "0", ())
        self.gateway = PipelineGateway(
            self.dataflow, self.metrics, clock, GatewayLimits(), metadata
        )
        self.gateway.open_intake()
        self.background = Background()
        self.kept: list[Route] = []
        self.servers = CopyServers(self._make, HERE)
        self.switchboard = Switchboard(
            self.models,
            self.gateway,
            self.servers,
            Joins(),
            self.metrics,
            self.background,
            followed=False,
        )
        self.follower = RouteFollower(
            self.link.connect,
            self.switchboard,
            gateway=name,
            scheduler="scheduler:1",
            keep=self._keep,
            sleep=lambda _: asyncio.sleep(0.001),
        )

    def begin(self) -> None:
        """Begin to follow."""
        self.background.spawn(self.follower.run(), "following")

    async def close(self) -> None:
        await self.background.close()
        await self.dataflow.stop()

    def call(self, target: str) -> asyncio.Future[InferenceResponse | PenstockError]:
        """Send a request; the future holds the answer, or the error as its result."""
        answer: asyncio.Future[InferenceResponse | PenstockError]
        answer = asyncio.get_running_loop().create_future()
        try:
            found = self.gateway.resolve(target)
        except PenstockError as error:
            answer.set_result(error)
        else:
            request = InferenceRequest(None, (tensor("x"),))
            found.submit(request, {}, None, answer.set_result)
        return answer

    async def answers(self, target: str, version: str | None = None) -> InferenceResponse:
        """Wait until a target answers, as this version of it."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                said = await self.call(target)
                if isinstance(said, InferenceResponse) and version in (None, said.model_version):
                    return said
                await asyncio.sleep(0)

    async def refuses(self, target: str, words: str = "") -> PenstockError:
        """Wait until a target does not answer, and says these words."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                said = await self.call(target)
                if isinstance(said, PenstockError) and words in said.message:
                    return said
                await asyncio.sleep(0)

    async def serves(self, target: str, version: str | None) -> None:
        """Wait until a target stands for this version; None: for none any more."""
        async with asyncio.timeout(PATIENCE_S):
            while self._version(target) != version:  # noqa: ASYNC110 - nobody else is waited for
                await asyncio.sleep(0)

    def _version(self, target: str) -> str | None:
        try:
            return self.gateway.metadata(self.gateway.resolve(target)).versions[0]
        except PenstockError:
            return None

    def _make(self, options: Mapping[str, Any]) -> ServerAdapter:
        assert options["verify"] is False
        return self.far[options["address"]]

    @property
    def misses(self) -> list[str]:
        """Why calls found nothing there to call."""
        return [said for far in self.far.values() for said in far.misses]

    def _keep(self, routes: Any) -> None:
        self.kept = list(routes)


@asynccontextmanager
async def following(
    plane: Plane, book: RouteBook, name: str = "gateway"
) -> AsyncIterator[FollowingGateway]:
    """A gateway that follows a plane."""
    gateway = FollowingGateway(plane, book, name)
    gateway.begin()
    try:
        yield gateway
    finally:
        await gateway.close()


async def _anext(updates: AsyncGenerator[Update]) -> Update | None:
    return await anext(updates, None)
