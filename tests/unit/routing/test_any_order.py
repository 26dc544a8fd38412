"""Any order of what happens to a scheduler, its gateways and the links between them.

No call that a gateway makes may find a copy gone, and in the end nothing is loaded that nobody
wants.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from harness.control_plane import Plane, control_plane, model, pipeline
from harness.following import FollowingGateway, following
from penstock.core.clock import VirtualClock
from penstock.core.errors import NotFoundError, NotReadyError
from penstock.core.inference import InferenceResponse
from penstock.core.routing.book import RouteBook

T = TypeVar("T")

END_S = 30.0
"""For what has to end; what hangs takes longer."""

MODELS = ("a", "b")
GATEWAYS = ("one", "other")

model_names = st.sampled_from(MODELS)
targets = st.sampled_from(["a.model", "b.model", "p.pipeline"])
gateway_names = st.sampled_from(GATEWAYS)
chains = st.sampled_from([("a",), ("a", "b"), ("b", "a")])


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.gateways: dict[str, FollowingGateway] = {}
        self.calls: list[asyncio.Future[Any]] = []
        self.versions = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        book = RouteBook("epoch", VirtualClock())
        planes = control_plane(self.folder, parallel=100, book=book)
        self.plane: Plane = await self.stack.enter_async_context(planes)
        self.plane.server.placed = frozenset({"b"})
        for name in GATEWAYS:
            begun = following(self.plane, book, name)
            self.gateways[name] = await self.stack.enter_async_context(begun)
        await self.plane.apply(*map(model, MODELS), pipeline("p", *MODELS))
        for gateway in self.gateways.values():
            await gateway.answers("p")

    @rule(name=model_names)
    def apply_model(self, name: str) -> None:
        self.versions += 1
        self.run(self.plane.apply(model(name, python=f"models:M{self.versions}")))

    @rule(chain=chains)
    def apply_pipeline(self, chain: tuple[str, ...]) -> None:
        self.run(self.plane.apply(pipeline("p", *chain)))

    @rule(name=model_names)
    def delete_model(self, name: str) -> None:
        with contextlib.suppress(NotFoundError):
            self.run(self.plane.control.delete("Model", name, force=True))

    @rule()
    def delete_pipeline(self) -> None:
        with contextlib.suppress(NotFoundError):
            self.run(self.plane.control.delete("Pipeline", "p", force=False))

    @rule(name=gateway_names, called=targets)
    def call(self, name: str, called: str) -> None:
        async def begin() -> None:
            self.calls.append(self.gateways[name].call(called))

        self.run(begin())

    @rule(name=model_names)
    def hold_calls(self, name: str) -> None:
        for (loaded, _), instance in self.plane.server.loaded.items():
            if loaded == name and instance.gate is None:
                instance.gate = asyncio.Event()

    @rule()
    def let_calls_go(self) -> None:
        for instance in self.plane.server.loaded.values():
            if instance.gate is not None:
                instance.gate.set()

    @rule(name=gateway_names)
    def hush(self, name: str) -> None:
        self.gateways[name].link.open.clear()

    @rule(name=gateway_names)
    def speak(self, name: str) -> None:
        self.gateways[name].link.open.set()

    @rule(name=gateway_names)
    def cut(self, name: str) -> None:
        self.gateways[name].link.cut()

    @rule(name=gateway_names)
    def mend(self, name: str) -> None:
        self.gateways[name].link.mend()

    @rule(turns=st.integers(1, 10))
    def let_pass(self, turns: int) -> None:
        async def sleep() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(sleep())

    def teardown(self) -> None:
        try:
            if self.gateways:
                self.run(asyncio.wait_for(self._end(), END_S))
        finally:
            self.run(self.stack.aclose())
            self.runner.close()
            shutil.rmtree(self.folder)

    async def _end(self) -> None:
        """Let everything come to rest."""
        for gateway in self.gateways.values():
            gateway.link.mend()
            gateway.link.open.set()
        await self.plane.settle()
        self.let_calls_go()
        for answer in await asyncio.gather(*self.calls):
            assert isinstance(answer, InferenceResponse | NotFoundError | NotReadyError), answer
        for gateway in self.gateways.values():
            assert gateway.misses == []
        await self.plane.quiet()
        wanted = {
            (resource["metadata"]["name"], resource["status"]["version"])
            for resource in self.plane.control.list("Model")
        }
        assert self.plane.server.loaded.keys() == wanted


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=50,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
