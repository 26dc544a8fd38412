"""More models on a server than fit: who goes, who comes back, and what calls see of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from harness.control_plane import (
    FakeInstance,
    FakeKind,
    FakeServer,
    Plane,
    control_plane,
    model,
    server,
)
from penstock.core.clock import SystemClock
from penstock.core.contracts.eviction import EvictionPolicy, ResidentModel
from penstock.core.contracts.model import CallOrigin, ModelCall, ModelInstance, ModelSpec
from penstock.core.errors import DeadlineError, InvalidRequestError, NotReadyError
from penstock.core.fleet.overcommit import OvercommittedServer
from penstock.plugins.eviction.cost import CostAware
from penstock.plugins.eviction.lru import LeastRecentlyUsed
from penstock.testing.scripts import tensor


class Full:
    """A server with room for two models of 10 bytes, or one of 20."""

    def __init__(self, policy: EvictionPolicy | None = None) -> None:
        self.inner = FakeServer("fake")
        self.clock = SystemClock()
        self.server = OvercommittedServer(self.inner, 20, self.clock, policy or LeastRecentlyUsed())

    async def load(self, name: str, memory_bytes: int | None = 10) -> ModelInstance:
        return await self.server.load(ModelSpec(name, 1, memory_bytes=memory_bytes))

    def call(self, instance: ModelInstance, within_ms: float = 10_000.0) -> asyncio.Future[Any]:
        call = ModelCall("step", (tensor("x"),), CallOrigin("id"), self.clock.now_ms() + within_ms)
        answer = instance.infer(call)
        done: asyncio.Future[Any]
        if isinstance(answer, tuple):
            done = asyncio.get_running_loop().create_future()
            done.set_result(answer)
            return done
        return asyncio.ensure_future(answer)

    def inside(self) -> list[str]:
        return sorted(name for name, _ in self.inner.loaded)

    def loaded(self, name: str) -> FakeInstance:
        return self.inner.loaded[name, 1]


async def test_the_model_that_was_called_longest_ago_goes_and_comes_back() -> None:
    full = Full()
    a, b = await full.load("a"), await full.load("b")
    await full.call(a)
    await full.load("c")
    assert full.inside() == ["a", "c"]
    assert [each.name for each in await full.call(b)] == ["x"]
    assert full.inside() == ["b", "c"], "a was called before c came"
    assert [each.name for each in await full.call(a)] == ["x"]
    assert full.inside() == ["a", "b"]


async def test_nothing_is_put_out_that_has_calls_under_way() -> None:
    full = Full()
    a, b = await full.load("a"), await full.load("b")
    gates = []
    for name in "ab":
        gate = full.loaded(name).gate = asyncio.Event()
        gates.append(gate)
    under_way = [full.call(a), full.call(b)]
    coming = asyncio.create_task(full.load("c"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert full.inside() == ["a", "b"]
    gates[1].set()
    await coming
    assert full.inside() == ["a", "c"]
    gates[0].set()
    await asyncio.gather(*under_way)


async def test_many_calls_bring_a_model_back_once() -> None:
    full = Full()
    a = await full.load("a")
    await full.load("big", 20)
    assert full.inside() == ["big"]
    gate = full.inner.held["a"] = asyncio.Event()
    calls = [full.call(a) for _ in range(20)]
    for _ in range(10):
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*calls)
    assert [spec.name for spec in full.inner.loads] == ["a", "big", "a"]


async def test_a_call_waits_no_longer_than_its_deadline_and_harms_no_other() -> None:
    full = Full()
    a = await full.load("a")
    await full.load("big", 20)
    gate = full.inner.held["a"] = asyncio.Event()
    impatient, patient = full.call(a, within_ms=1.0), full.call(a)
    with pytest.raises(DeadlineError, match="'a' was out for want of memory"):
        await impatient
    gate.set()
    await patient
    assert full.inside() == ["a"]


async def test_one_that_cannot_come_back_says_why_and_is_tried_with_the_next_call() -> None:
    full = Full()
    a = await full.load("a")
    big = await full.load("big", 20)
    full.inner.failing["a"] = [NotReadyError("the disk is away"), None]
    with pytest.raises(NotReadyError, match="the disk is away"):
        await full.call(a)
    await full.call(a)
    assert full.inside() == ["a"]
    await full.call(big)
    assert full.inside() == ["big"]


async def test_a_policy_is_shown_what_each_costs_to_bring_back() -> None:
    noting = Noting()
    full = Full(noting)
    a = await full.load("a")
    await full.call(a)
    await full.call(a)
    await full.load("b")
    await full.load("c")
    shown = noting.shown
    assert [(each.name, each.memory_bytes, each.calls) for each in shown] == [
        ("a", 10, 2),
        ("b", 10, 0),
    ]
    assert all(0.0 <= each.idle_ms <= each.resident_ms and each.load_ms >= 0.0 for each in shown)
    assert full.inside() == ["b", "c"], "what is worth least goes, whoever was called last"


async def test_a_policy_that_fails_is_logged_and_does_no_harm(
    caplog: pytest.LogCaptureFixture,
) -> None:
    full = Full(Failing())
    a = await full.load("a")
    await full.load("b")
    await full.call(a)
    await full.load("c")
    assert full.inside() == ["a", "c"], "of what is worth the same, the last called stays"
    assert "the eviction policy failed for model 'a'" in caplog.text


async def test_what_takes_long_to_load_stays_though_it_was_called_longer_ago() -> None:
    worth = CostAware().worth
    quick = ResidentModel("q", 1, 10, 1.0, 1000.0, 1.0, 5)
    slow = ResidentModel("s", 1, 10, 60_000.0, 1000.0, 900.0, 2)
    large = ResidentModel("l", 1, 1_000_000, 60_000.0, 1000.0, 900.0, 2)
    assert worth(large) < worth(quick) < worth(slow)
    assert LeastRecentlyUsed().worth(slow) < LeastRecentlyUsed().worth(quick)


class Noting(EvictionPolicy):
    """Thinks least of what is called most."""

    def __init__(self) -> None:
        self.shown: list[ResidentModel] = []

    def worth(self, model: ResidentModel) -> float:
        self.shown.append(model)
        return -float(model.calls)


class Failing(EvictionPolicy):
    """Has a bug."""

    def worth(self, model: ResidentModel) -> float:
        raise RuntimeError("oops")


async def test_what_is_larger_than_all_of_the_server_is_refused() -> None:
    full = Full()
    await full.load("a")
    with pytest.raises(InvalidRequestError, match="it takes 30, and all of the server is 20"):
        await full.load("huge", 30)
    assert full.inside() == ["a"]


async def test_a_model_whose_memory_is_not_known_stays() -> None:
    full = Full()
    await full.load("any", None)
    await full.load("big", 20)
    await full.load("a")
    assert full.inside() == ["a", "any"]


async def test_a_model_is_unloaded_wherever_it_is() -> None:
    full = Full()
    a, b = await full.load("a"), await full.load("b")
    c = await full.load("c")
    await full.server.unload(a)  # it is out
    await full.server.unload(c)
    await full.load("d")
    assert full.inside() == ["b", "d"]
    gate = full.inner.held["a"] = asyncio.Event()
    loading = asyncio.create_task(full.load("a"))
    await asyncio.sleep(0)
    loading.cancel()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await loading
    await full.call(b)
    for _ in range(10):
        await asyncio.sleep(0)
    assert "a" not in full.inside()


async def test_twice_as_many_as_fit_take_turns_without_an_error() -> None:
    inner = FakeServer("fake")
    clock = SystemClock()
    crowded = OvercommittedServer(inner, 100, clock, LeastRecentlyUsed())
    instances = [await crowded.load(ModelSpec(f"m{n}", 1, memory_bytes=1)) for n in range(200)]
    rng = random.Random(1)

    async def caller() -> None:
        for _ in range(100):
            origin = CallOrigin("id")
            call = ModelCall("step", (tensor("x"),), origin, clock.now_ms() + 10_000.0)
            answer = rng.choice(instances).infer(call)
            assert len(answer if isinstance(answer, tuple) else await answer) == 1
            await asyncio.sleep(0)

    await asyncio.gather(*(caller() for _ in range(20)))
    assert len(inner.loaded) == 100


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path, kinds={"fake": FakeKind("fake")}) as plane:
        yield plane


async def test_a_manifest_says_how_much_more_is_registered(plane: Plane) -> None:
    asking = {"python": "m:A", "requirements": ["fake"], "memory": "10Mi"}
    await plane.apply(
        server("s", memory="20Mi", overcommitPercent=100),
        *(model(name, **asking) for name in "abcde"),
    )
    (said,) = await plane.settle()
    assert "server 's' has 0 left of 40Mi, and a copy takes 10Mi" in said
    ready = [name for name in "abcde" if plane.reason("Model", name) == "Serving"]
    assert len(ready) == 4
    for name in (*ready, *ready):
        assert (await plane.call(name)).model_version == "1"
