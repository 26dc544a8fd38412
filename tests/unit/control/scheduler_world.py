"""Servers that start, load and answer as a test decides, and note what must not happen to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from penstock.core.contracts.model import ModelCall, ModelInstance, ModelSpec, ServerAdapter
from penstock.core.errors import InvalidRequestError, NotReadyError, PenstockError
from penstock.core.records import Tensors
from penstock.core.signature import Signature, TensorSpec

Fate: TypeAlias = Literal["well", "hangs", "in passing", "for good"]
"""How a load or a start ends: what hangs ends when the test says so."""

_SMALL, _BIG = (TensorSpec("x", datatype) for datatype in ("FP32", "FP64"))

SIGNATURES: Mapping[str, Signature] = {
    "m:A": Signature((_SMALL,), (_SMALL,)),
    "m:B": Signature((_SMALL,), (_SMALL,)),
    "m:Widens": Signature((_SMALL,), (_BIG,)),
    "m:Wide": Signature((_BIG,), (_SMALL,)),
}
"""Of models, by the object that serves them: the third breaks a pipeline in which another reads it,
unless that is the fourth."""


class Hanging:
    """A load or a start that is under way until it is told how it ends."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._end: asyncio.Future[PenstockError | None]
        self._end = asyncio.get_running_loop().create_future()

    async def wait(self) -> PenstockError | None:
        return await self._end

    def end(self, error: PenstockError | None) -> None:
        if not self._end.done():
            self._end.set_result(error)


@dataclass
class World:
    """All servers of the kind ``fake``, and what is to become of what is asked of them."""

    loads: dict[str, Fate] = field(default_factory=dict)
    starts: Fate = "well"
    calls_wait: bool = False
    stopping: bool = False
    made: list[DirectedServer] = field(default_factory=list)
    hanging: list[Hanging] = field(default_factory=list)
    calls: list[Hanging] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    """What no server should have seen."""

    def __call__(self, options: Mapping[str, Any]) -> DirectedServer:
        made = DirectedServer(self)
        self.made.append(made)
        return made

    async def come_to(self, fate: Fate, what: str) -> None:
        """End as it is to end. Raises what it fails with."""
        error = failure(fate)
        if fate == "hangs":
            hanging = Hanging(what)
            self.hanging.append(hanging)
            error = await hanging.wait()
        if error is not None:
            raise error

    def wrong(self, said: str) -> None:
        if not self.stopping:
            self.wrongs.append(said)

    async def release(self) -> None:
        """Nothing hangs any more, and nothing will."""
        self.loads.clear()
        self.starts = "well"
        for each in (*self.hanging, *self.calls):
            each.end(None)


def failure(fate: Fate) -> PenstockError | None:
    """What a load or a start fails with."""
    if fate == "in passing":
        return NotReadyError("it is busy")
    if fate == "for good":
        return InvalidRequestError("it is a bad one")
    return None


class DirectedServer(ServerAdapter):
    """One replica, in a world of its kind."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.running = False
        self.loaded: dict[tuple[str, int], DirectedInstance] = {}
        self.loading: set[tuple[str, int]] = set()

    def capabilities(self) -> frozenset[str]:
        return frozenset(["fake"])

    async def start(self) -> None:
        await self.world.come_to(self.world.starts, "a start")
        self.running = True

    async def stop(self) -> None:
        if self.loaded or self.loading:
            self.world.wrong(f"stopped with {sorted(self.loaded)} on it, {self.loading} coming")
        self.running = False

    async def load(self, spec: ModelSpec) -> ModelInstance:
        key = (spec.name, spec.version)
        if not self.running:
            self.world.wrong(f"{key} is loaded on a server that is not up")
        if key in self.loaded or key in self.loading:
            self.world.wrong(f"{key} is loaded where it is already")
        self.loading.add(key)
        try:
            await self.world.come_to(self.world.loads.get(spec.name, "well"), spec.name)
        finally:
            self.loading.discard(key)
        instance = self.loaded[key] = DirectedInstance(self, spec)
        return instance

    async def unload(self, instance: ModelInstance) -> None:
        assert isinstance(instance, DirectedInstance), "it is one of ours"
        key = (instance.spec.name, instance.spec.version)
        if instance.under_way:
            self.world.wrong(f"{key} is unloaded while {instance.under_way} call it")
        if self.loaded.pop(key, None) is not instance:
            self.world.wrong(f"{key} is unloaded twice")


class DirectedInstance(ModelInstance):
    """Answers with its input, at once, or when the test says so."""

    def __init__(self, server: DirectedServer, spec: ModelSpec) -> None:
        super().__init__(SIGNATURES[spec.python or "m:A"])
        self.server = server
        self.spec = spec
        self.under_way = 0

    def infer(self, call: ModelCall) -> Any:
        key = (self.spec.name, self.spec.version)
        if self.server.loaded.get(key) is not self:
            self.server.world.wrong(f"{key} is called though it is not loaded")
        if not self.server.world.calls_wait:
            return call.tensors
        self.under_way += 1
        return self._wait(call.tensors)

    async def _wait(self, tensors: Tensors) -> Tensors:
        call = Hanging(self.spec.name)
        self.server.world.calls.append(call)
        try:
            await call.wait()
        finally:
            self.under_way -= 1
        return tensors
