"""More models on a server than fit: some are put out for others, and come back when called.

A model that is out comes back with its next call, which waits for that, up to its deadline.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from inspect import isawaitable

from penstock.core.clock import Clock
from penstock.core.contracts.eviction import EvictionPolicy, ResidentModel
from penstock.core.contracts.model import (
    ExplainerLoader,
    Loader,
    ModelCall,
    ModelInstance,
    ModelSpec,
    ServerAdapter,
)
from penstock.core.errors import DeadlineError, InvalidRequestError
from penstock.core.records import Tensors
from penstock.core.resources.quantity import format_bytes
from penstock.core.signature import Signature

_log = logging.getLogger(__name__)


class OvercommittedServer(ServerAdapter):
    """A server with room for ``memory_bytes`` of models, on which more are registered.

    ``clock`` is the one that deadlines of calls are in; ``policy`` says which model goes, the
    one that was called longest ago without it. A model whose memory nobody has said takes no room
    and is never put out.
    """

    def __init__(
        self,
        server: ServerAdapter,
        memory_bytes: int,
        clock: Clock,
        policy: EvictionPolicy | None,
    ) -> None:
        self._server = server
        self._memory_bytes = memory_bytes
        self._clock = clock
        self._policy = policy
        self._free_bytes = memory_bytes
        self._inside: OrderedDict[EvictableInstance, None] = OrderedDict()
        """The models that are loaded, the one that was called longest ago first."""
        self._registered: set[EvictableInstance] = set()
        self._making_room = asyncio.Lock()
        self._freed = asyncio.Event()

    def use_clock(self, clock: Clock) -> None:
        self._clock = clock
        self._server.use_clock(clock)

    def use_loaders(self, loaders: Mapping[str, Loader]) -> None:
        self._server.use_loaders(loaders)

    def use_explainers(self, explainers: ExplainerLoader) -> None:
        self._server.use_explainers(explainers)

    def use_name(self, name: str) -> None:
        self._server.use_name(name)

    async def start(self) -> None:
        await self._server.start()

    def capabilities(self) -> frozenset[str]:
        return self._server.capabilities()

    def signature(self, spec: ModelSpec) -> Signature | None:
        return self._server.signature(spec)

    def memory_bytes(self) -> int | None:
        return self._server.memory_bytes()

    async def load(self, spec: ModelSpec) -> ModelInstance:
        if (spec.memory_bytes or 0) > self._memory_bytes:
            raise InvalidRequestError(
                f"it takes {format_bytes(spec.memory_bytes or 0)}, and all of the server is "
                f"{format_bytes(self._memory_bytes)}"
            )
        instance = EvictableInstance(self, spec)
        self._registered.add(instance)
        try:
            await instance.come_in()
        except BaseException:
            instance.stop_coming()
            await self.unload(instance)
            raise
        return instance

    async def unload(self, instance: ModelInstance) -> None:
        assert isinstance(instance, EvictableInstance), "it is one of ours"
        self._registered.discard(instance)
        await instance.leave_for_good()

    async def stop(self) -> None:
        for instance in self._registered:
            instance.stop_coming()
        await self._server.stop()

    def now_ms(self) -> float:
        """The time that deadlines are in."""
        return self._clock.now_ms()

    def called(self, instance: EvictableInstance) -> None:
        """A model that is loaded is called: others go before it."""
        if instance in self._inside:
            self._inside.move_to_end(instance)
            instance.calls += 1
            instance.called_ms = self._clock.now_ms()

    def idle(self) -> None:
        """A model has no call under way any more: it may be put out."""
        self._freed.set()

    async def bring_in(self, instance: EvictableInstance) -> ModelInstance:
        """Load a model once there is room for it."""
        spec = instance.spec
        needed = spec.memory_bytes or 0
        # One at a time, in turn: else those that need much would wait for ever.
        async with self._making_room:
            while self._free_bytes < needed:
                await self._put_one_out()
            self._free_bytes -= needed
        began_ms = self._clock.now_ms()
        try:
            loaded = await self._server.load(spec)
        except BaseException:
            self._free(needed)
            raise
        instance.came_in(began_ms, self._clock.now_ms())
        if needed:
            self._inside[instance] = None
        return loaded

    async def let_out(self, instance: EvictableInstance, loaded: ModelInstance) -> None:
        """Unload a model that nobody calls."""
        self._inside.pop(instance, None)
        try:
            await self._server.unload(loaded)
        finally:
            self._free(instance.spec.memory_bytes or 0)

    async def _put_one_out(self) -> None:
        """Make room of the model that is worth least, when one has no call under way."""
        self._freed.clear()
        instance = min((each for each in self._inside if each.idle), key=self._worth, default=None)
        if instance is None:
            await self._freed.wait()
            return
        loaded = instance.give_up()
        assert loaded is not None, "what is idle is loaded"
        _log.debug("model '%s' is put out for want of room", instance.spec.name)
        await self.let_out(instance, loaded)

    def _worth(self, instance: EvictableInstance) -> float:
        if self._policy is None:
            return 0.0  # of what is worth the same, the first goes
        try:
            worth = float(self._policy.worth(instance.resident(self._clock.now_ms())))
        except Exception:
            _log.exception("the eviction policy failed for model '%s'", instance.spec.name)
            return 0.0
        return worth if worth == worth else 0.0  # not a number has no place in an order

    def _free(self, memory_bytes: int) -> None:
        self._free_bytes += memory_bytes
        self._freed.set()


class EvictableInstance(ModelInstance):
    """One version of a model that may be out. It has no short cut: each call has to be noted."""

    __slots__ = (
        "_came_ms",
        "_coming",
        "_load_ms",
        "_loaded",
        "_server",
        "_under_way",
        "called_ms",
        "calls",
        "spec",
    )

    def __init__(self, server: OvercommittedServer, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self._server = server
        self._loaded: ModelInstance | None = None
        self._coming: asyncio.Task[None] | None = None
        self._under_way = 0
        self._load_ms = 0.0
        self._came_ms = 0.0
        self.called_ms = 0.0
        """When it was called last, or came in."""
        self.calls = 0
        """How many calls it has had since it came in."""

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        loaded = self._loaded
        if loaded is None:
            return self._infer_later(call)
        self._server.called(self)
        answer = loaded.infer(call)
        if not isawaitable(answer):
            return answer
        self._under_way += 1
        return self._counted(answer)

    async def come_in(self) -> None:
        """Be loaded. Raises what loading raises."""
        if self._coming is None:
            self._coming = asyncio.create_task(
                self._bring_in(), name=f"bringing back model '{self.spec.name}'"
            )
        # Who gives up waiting leaves it to the others, and to the next call.
        await asyncio.shield(self._coming)

    def stop_coming(self) -> None:
        """Nobody waits for it any more."""
        if self._coming is not None:
            self._coming.cancel()

    @property
    def idle(self) -> bool:
        """Whether it is loaded, and no call is under way on it."""
        return self._loaded is not None and not self._under_way

    def came_in(self, began_ms: float, now_ms: float) -> None:
        """It has been loaded since ``began_ms``."""
        self._load_ms = now_ms - began_ms
        self._came_ms = self.called_ms = now_ms
        self.calls = 0

    def resident(self, now_ms: float) -> ResidentModel:
        """What there is to know of it where somebody has to go."""
        return ResidentModel(
            self.spec.name,
            self.spec.version,
            self.spec.memory_bytes or 0,
            self._load_ms,
            now_ms - self._came_ms,
            now_ms - self.called_ms,
            self.calls,
        )

    def give_up(self) -> ModelInstance | None:
        """What is loaded, to be unloaded; None while calls are under way on it."""
        if self._under_way:
            return None
        loaded, self._loaded = self._loaded, None
        return loaded

    async def leave_for_good(self) -> None:
        """Be unloaded, wherever it is on its way; nobody calls it any more."""
        if self._coming is not None:
            await asyncio.wait([self._coming])
        loaded = self.give_up()
        if loaded is not None:
            await self._server.let_out(self, loaded)

    async def _bring_in(self) -> None:
        try:
            self._loaded = await self._server.bring_in(self)
            self.signature = self._loaded.signature
        finally:
            self._coming = None

    async def _infer_later(self, call: ModelCall) -> Tensors:
        # Counted from here on: it must not be put out again before this call has begun.
        self._under_way += 1
        try:
            await self._come_in_for(call)
            loaded = self._loaded
            assert loaded is not None, "nothing is put out that has calls under way"
            self._server.called(self)
            answer = loaded.infer(call)
            return await answer if isawaitable(answer) else answer
        finally:
            self._end_call()

    async def _come_in_for(self, call: ModelCall) -> None:
        while self._loaded is None:
            left_s = (call.deadline_ms - self._server.now_ms()) / 1000.0
            try:
                async with asyncio.timeout(min(left_s, 1e9)):
                    await self.come_in()
            except TimeoutError:
                raise DeadlineError(
                    f"model '{self.spec.name}' was out for want of memory, "
                    "and did not come back in time"
                ) from None

    async def _counted(self, answer: Awaitable[Tensors]) -> Tensors:
        try:
            return await answer
        finally:
            self._end_call()

    def _end_call(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._server.idle()
