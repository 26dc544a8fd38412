"""Agents and their scheduler in one process and in virtual time, with nothing real between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from harness.builtin import builtin_eviction
from harness.control_plane import FakeInstance, FakeServer, FakeStorage, Plane
from harness.virtual_time import in_virtual_time
from penstock.core.agent.agent import Agent, Identity
from penstock.core.agent.copies import AgentCopies
from penstock.core.agent.following import Following, Pauses
from penstock.core.clock import VirtualClock
from penstock.core.config.sections import AgentsSection
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.model import ModelCall, ModelInstance, ModelSpec, ServerAdapter
from penstock.core.control.agents.hosted import AgentMeeting
from penstock.core.control.background import Background
from penstock.core.control.loading import ModelLoader
from penstock.core.control.model_files import ModelFiles
from penstock.core.errors import LostError, NotReadyError
from penstock.core.metrics import BUCKETS
from penstock.proto import agent_pb2 as pb

T = TypeVar("T")

OPTIONS = AgentsSection(
    beat_ms=1_000, silence_ms=5_000, grace_ms=10_000, return_ms=3_000, keep_ms=30_000
)


class AtOnce(ThreadPoolExecutor):
    """Runs what belongs into a thread at once: virtual time knows of no threads."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


class FakeBackend(FakeServer):
    """Has two copies of one version side by side where it is told to."""

    def __init__(self, *capabilities: str) -> None:
        super().__init__(*capabilities)
        self.beside: list[FakeInstance] = []

    async def load(self, spec: ModelSpec) -> ModelInstance:
        before = self.loaded.get((spec.name, spec.version))
        instance = await super().load(spec)
        if before is not None:
            self.beside.append(before)
        return instance

    async def unload(self, instance: ModelInstance) -> None:
        if instance in self.beside:
            self.beside = [each for each in self.beside if each is not instance]
        else:
            await super().unload(instance)


class Shelf(AgentCopies):
    """What an agent serves, by name; ``under_way`` calls of each are, as it tells."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.copies: dict[str, ModelInstance] = {}
        self.under_way = 0
        self.answers_as: set[tuple[str, str, int]] = set()

    def calls(self, name: str, model: str) -> CallFigures | None:
        return CallFigures(
            [0] * BUCKETS, self.under_way * self._clock.now_ms(), self.under_way, 0.0
        )

    def put(self, name: str, version: int, instance: ModelInstance) -> None:
        self.copies[name] = instance

    def answer_as(self, name: str, model: str, version: int) -> None:
        assert name in self.copies
        self.answers_as.add((name, model, version))

    async def take_away(self, name: str, version: int, instance: ModelInstance) -> None:
        assert self.copies.pop(name) is instance


class FarInstance(ModelInstance):
    """A copy on an agent, called as long as the agent's process is there."""

    def __init__(self, rig: AgentRig, name: str) -> None:
        super().__init__()
        self._rig = rig
        self._name = name

    def check(self) -> None:
        """It is there, or its agent is not."""
        assert not self._rig.alive or self._name in self._rig.shelf.copies, self._name

    def infer(self, call: ModelCall) -> Any:
        if not self._rig.alive:
            raise LostError(f"{self._rig.name} is not there")
        return self._rig.shelf.copies[self._name].infer(call)


class FarServer(ServerAdapter):
    """The adapter to an agent's address."""

    def __init__(self, rig: AgentRig) -> None:
        self._rig = rig

    async def start(self) -> None:
        if not self._rig.reachable:
            raise NotReadyError(f"nobody answers at {self._rig.address}")

    def capabilities(self) -> frozenset[str]:
        return frozenset()

    async def load(self, spec: ModelSpec) -> ModelInstance:
        name = spec.parameters["remoteModel"]
        assert name in self._rig.shelf.copies, f"'{name}' is not there"
        return FarInstance(self._rig, name)

    async def unload(self, instance: ModelInstance) -> None:
        assert isinstance(instance, FarInstance)

    async def stop(self) -> None:
        """There is no connection."""


class AgentRig:
    """An agent, its server, and the way to its scheduler, which tests may cut or muffle."""

    numbers = count(1)

    def __init__(
        self,
        world: World,
        server: FakeBackend,
        *,
        name: str = "s",
        number: int | None = None,
        kind: str = "fake",
        memory_bytes: int | None = None,
    ) -> None:
        self.world = world
        self.server = server
        self.shelf = Shelf(world.clock)
        self.background = Background()
        self.storage = FakeStorage()
        self.alive = True
        self.reachable = True
        self.cut = False
        self._voice = asyncio.Event()
        self._voice.set()
        self.lines = 0
        self.name = f"agent-{next(self.numbers)}"
        self.address = f"grpc://{self.name}:1"
        self.rest = "http://:2"
        folder = world.folder / self.name
        folder.mkdir()
        self.agent = Agent(
            Identity(
                name,
                number,
                f"process of {self.name}",
                self.name,
                kind,
                self.address,
                memory_bytes,
                self.rest,
                "zone",
            ),
            server,
            ModelLoader([self.storage], self.background, work_folder=folder),
            ModelFiles({}, [self.storage]),
            self.shelf,
            self.background,
            world.clock,
            builtin_eviction(),
        )
        pauses = Pauses(asyncio.sleep, lambda: 1.0)
        following = Following(self.agent, "the scheduler", self._dial, pauses)
        self.following = self.background.spawn(following.run(), "following")

    @property
    def muffled(self) -> bool:
        """Whether nothing comes through either way, and nothing is lost."""
        return not self._voice.is_set()

    @muffled.setter
    def muffled(self, muffled: bool) -> None:
        if muffled:
            self._voice.clear()
        else:
            self._voice.set()

    async def _dial(self, said: AsyncIterator[pb.FromAgent]) -> AsyncIterator[pb.ToAgent]:
        """The agent's way to the scheduler that there is now."""
        plane = self.world.plane
        if self.cut or plane is None or plane.control.agents is None:
            raise NotReadyError("nobody answers there")
        self.lines += 1
        async with aclosing(_gen(plane.control.agents.follow(self._heard(said), self.name))) as out:
            async for message in out:
                await self._voice.wait()
                if self.cut or plane is not self.world.plane:
                    raise LostError("the connection broke")
                yield message

    async def _heard(self, said: AsyncIterator[pb.FromAgent]) -> AsyncIterator[pb.FromAgent]:
        """What of the agent's words comes to the scheduler."""
        async for message in said:
            await self._voice.wait()
            if self.cut:
                return
            yield message

    async def kill(self) -> None:
        """Its process ends with nothing said."""
        self.alive = self.reachable = False
        self.cut = True
        await self.background.close()

    @property
    def held(self) -> list[tuple[str, int]]:
        """The models and versions that its server has."""
        return sorted(self.server.loaded)


async def _gen(messages: AsyncIterator[pb.ToAgent]) -> AsyncGenerator[pb.ToAgent, None]:
    async for message in messages:
        yield message


class World:
    """A scheduler, which may be started again, and agents."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.folder = folder
        self.clock = clock
        self.plane: Plane | None = None
        self.rigs: dict[str, AgentRig] = {}
        self._schedulers = count(1)

    @property
    def scheduler(self) -> Plane:
        """The one that runs."""
        assert self.plane is not None
        return self.plane

    async def start_scheduler(self, **options: Any) -> Plane:
        """A scheduler's process begins."""
        number = next(self._schedulers)
        folder = self.folder / f"scheduler-{number}"
        folder.mkdir()
        meeting = AgentMeeting(f"scheduler {number}", OPTIONS, self._call)
        self.plane = Plane(folder, own_server=False, agents=meeting, clock=self.clock, **options)
        self.plane.control.start()
        return self.plane

    async def kill_scheduler(self) -> None:
        """Its process ends with nothing said."""
        plane, self.plane = self.scheduler, None
        plane.control._fleet.close()
        await plane.control._background.close()
        await plane.dataflow.stop()

    async def stop_scheduler(self) -> None:
        """Its process ends as it should."""
        plane, self.plane = self.scheduler, None
        await plane.control.stop()
        await plane.dataflow.stop()

    def agent(self, *capabilities: str, **options: Any) -> AgentRig:
        """An agent's process begins."""
        rig = AgentRig(self, FakeBackend(*(capabilities or ("python",))), **options)
        self.rigs[rig.name] = rig
        return rig

    def _call(self, address: str) -> ServerAdapter:
        return FarServer(self.rigs[address.removeprefix("grpc://").partition(":")[0]])

    async def after(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """End everything."""
        for rig in self.rigs.values():
            rig.cut = True
            await rig.background.close()
            await rig.agent.close()
        if self.plane is not None:
            await self.stop_scheduler()


def in_a_world(folder: Path, story: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """Run a story in virtual time, with a scheduler that has begun."""

    async def main(clock: VirtualClock) -> None:
        asyncio.get_running_loop().set_default_executor(AtOnce())
        world = World(folder, clock)
        await world.start_scheduler()
        try:
            await story(world)
        finally:
            await world.close()

    in_virtual_time(main)
