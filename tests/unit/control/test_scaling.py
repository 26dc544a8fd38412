"""Models that are scaled by their load, and sleep while nobody calls them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from harness.control_plane import (
    FakeKind,
    FakeServer,
    Plane,
    control_plane,
    model,
    pipeline,
    server,
)
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.model import ModelInstance
from penstock.core.control.shortage import Shortage
from penstock.core.database import Database
from penstock.core.errors import DeadlineError, NotReadyError, OverloadedError
from penstock.core.inference import InferenceRequest
from penstock.core.scaling import Damping
from penstock.core.scaling.rules import ScalingRules
from penstock.plugins.scaling.in_flight import InFlightOptions, InFlightScaler
from penstock.testing.scripts import tensor

DAMPING = Damping(down_window_ms=10_000.0, cool_down_ms=0.0, idle_ms=30_000.0)

REQUEST = InferenceRequest(None, (tensor("x"),))


class Slow(FakeServer):
    """Each load takes ``load_s``, and each call ``call_s``."""

    def __init__(self, load_s: float = 2.0, call_s: float = 0.0) -> None:
        super().__init__("python")
        self.load_s = load_s
        self.call_s = call_s

    async def load(self, spec: Any) -> Any:
        await asyncio.sleep(self.load_s)
        instance = await super().load(spec)
        if self.call_s:
            instance.infer = self._infer  # type: ignore[method-assign]  # it is a double
        return instance

    async def _infer(self, call: Any) -> Any:
        await asyncio.sleep(self.call_s)
        return call.tensors


class Elsewhere(FakeServer):
    """What it loads is called by others as well, and it tells of their calls while it ``tells``:
    three are under way on each copy."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__("python")
        self.placed = frozenset({"m"})
        self.clock = clock
        self.tells = True
        self._told_ms = 0.0

    def calls_of(self, instance: ModelInstance) -> CallFigures | None:
        if self.tells:
            self._told_ms = self.clock()
        return CallFigures((0,) * 64, 3.0 * self._told_ms, 3, self._told_ms)


def rules(*, held: int = 100, dry_run: bool = False) -> ScalingRules:
    scaler = InFlightScaler(InFlightOptions(target=2.0))
    return ScalingRules("target-in-flight", scaler, DAMPING, 1_000.0, held, dry_run)


def sleepy(name: str = "m", **spec: Any) -> dict[str, Any]:
    return model(name, python="models:Any", minReplicas=0, **spec)


def run(story: Callable[[Plane], Coroutine[Any, Any, None]], folder: Path, **options: Any) -> None:
    """A story of a control plane, in virtual time."""

    async def told(clock: VirtualClock) -> None:
        options.setdefault("scaling", rules())
        async with control_plane(folder, clock=clock, **options) as plane:
            await story(plane)

    in_virtual_time(told)


def scaled(plane: Plane, name: str = "m") -> tuple[str, str]:
    """The reason and the message of the condition ``Scaled``."""
    condition = plane.condition("Model", name, "Scaled")
    assert condition is not None
    return condition[1:]


async def begin(plane: Plane, *documents: dict[str, Any]) -> None:
    await plane.apply(*documents)
    assert await plane.settle() == []


def test_a_model_that_nobody_calls_sleeps_and_its_next_call_waits_for_it(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy())
        await plane.call("m")
        await asyncio.sleep(29.0)
        assert plane.server.loaded
        await asyncio.sleep(3.0)
        assert not plane.server.loaded
        assert scaled(plane)[0] == "Asleep"
        assert scaled(plane)[1].startswith("0 copies: nobody has called it for 30 s")
        assert plane.reason("Model", "m") == "Serving"
        answer = await plane.call("m")
        assert answer.model_name == "m"
        assert len(plane.server.loads) == 2
        await asyncio.sleep(29.0)
        assert plane.server.loaded, "it has just been called"

    run(story, tmp_path)


def test_calls_that_wait_are_answered_when_it_is_loaded(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy())
        await asyncio.sleep(32.0)
        plane.server.held["m"] = asyncio.Event()
        calls = [plane.call("m") for _ in range(100)]
        await asyncio.sleep(5.0)
        assert not any(call.done() for call in calls)
        assert len(plane.server.loads) == 2, "it is loaded once for all"
        plane.server.held["m"].set()
        began_ms = plane.clock.now_ms()
        answers = await asyncio.gather(*calls)
        assert plane.clock.now_ms() - began_ms < 50.0
        assert {answer.model_name for answer in answers} == {"m"}

    run(story, tmp_path)


def test_calls_beyond_the_bound_are_refused(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy())
        await asyncio.sleep(32.0)
        plane.server.held["m"] = asyncio.Event()
        calls = [plane.call("m") for _ in range(3)]
        refused = await calls[2]
        assert isinstance(refused, OverloadedError)
        assert "scheduler.autoscaling.maxHeld" in refused.message
        plane.server.held["m"].set()
        assert [answer.model_name for answer in await asyncio.gather(*calls[:2])] == ["m", "m"]

    run(story, tmp_path, scaling=rules(held=2))


def test_a_step_of_a_pipeline_wakes_its_model(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy("a"), sleepy("b"), pipeline("p", "a", "b"))
        await asyncio.sleep(32.0)
        assert not plane.server.loaded
        assert plane.reason("Pipeline", "p") == "Serving"
        assert (await plane.call("p")).model_name == "p"

    run(story, tmp_path)


def test_calls_for_a_model_that_never_comes_up_end_by_their_deadline(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy())
        await asyncio.sleep(32.0)
        plane.server.failing["m"] = [NotReadyError("its disk is away")]
        began_ms = plane.clock.now_ms()
        failed = await plane.call("m")
        assert 59_000.0 < plane.clock.now_ms() - began_ms <= 60_000.0
        assert isinstance(failed, DeadlineError)
        assert "model 'm' was asleep, and was not loaded in time" in failed.message
        assert "its disk is away" in failed.message

    run(story, tmp_path)


def test_calls_for_a_model_that_cannot_be_loaded_end_at_once(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy())
        await asyncio.sleep(32.0)
        plane.server.failing["m"] = [ValueError("no such column")]
        for _ in range(2):
            began_ms = plane.clock.now_ms()
            failed = await plane.call("m")
            assert isinstance(failed, NotReadyError)
            assert "no such column" in failed.message
            assert plane.clock.now_ms() - began_ms < 1_000.0
        assert len(plane.server.loads) == 2, "nobody tries again what was given up"

    run(story, tmp_path)


def test_a_model_without_replicas_is_switched_off(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy())
        await asyncio.sleep(32.0)
        await plane.control.unload("m")
        assert plane.reason("Model", "m") == "ScaledToZero"
        assert isinstance(await plane.call("m"), NotReadyError)
        await plane.control.load("m")
        assert (await plane.call("m")).model_name == "m"

    run(story, tmp_path)


def test_a_new_version_of_a_model_that_is_asleep_is_loaded_by_its_first_call(
    tmp_path: Path,
) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy())
        await asyncio.sleep(32.0)
        await begin(plane, sleepy(parameters={"a": 1}))
        assert not plane.server.loaded
        assert (await plane.call("m")).model_version == "2"

    run(story, tmp_path)


def test_a_model_grows_with_its_load_and_shrinks_after_it(tmp_path: Path) -> None:
    kind = FakeKind("python")
    kind.prepared = [Slow(0.5, call_s=1.0) for _ in range(4)]

    async def story(plane: Plane) -> None:
        grown = model("m", python="models:Any", maxReplicas=3, server="s")
        await begin(plane, server("s", replicas=4), grown)
        assert kind.held("m") == 1

        async def caller() -> None:
            while plane.clock.now_ms() < until_ms:
                await plane.call("m")

        until_ms = plane.clock.now_ms() + 20_000.0
        callers = [asyncio.create_task(caller()) for _ in range(8)]
        await asyncio.sleep(10.0)
        assert kind.held("m") == 3
        reason, message = scaled(plane)
        assert reason == "ScaledByLoad"
        assert message.startswith("3 copies: 8 calls are under way or wait")
        await asyncio.gather(*callers)
        await asyncio.sleep(30.0)
        assert kind.held("m") == 1

    run(story, tmp_path, own_server=False, kinds={"fake": kind})


@pytest.mark.parametrize("fails", [False, True], ids=["woken", "in vain"])
def test_how_long_calls_waited_for_a_model_does_not_make_it_grow(
    tmp_path: Path, fails: bool
) -> None:
    kind = FakeKind("python")
    kind.prepared = [Slow(8.0) for _ in range(4)]

    async def story(plane: Plane) -> None:
        spec = {"python": "models:Any", "minReplicas": 0, "maxReplicas": 4, "server": "s"}
        await begin(plane, server("s", replicas=4), model("m", **spec))
        await asyncio.sleep(32.0)
        assert kind.held("m") == 0
        if fails:
            for each in kind.made:
                each.failing["m"] = [NotReadyError("its disk is away")] * 9
        await plane.call("m")
        counts = []
        for _ in range(10):
            await asyncio.sleep(1.0)
            counts += [each["decided"] for each in plane.control.scaling()["models"]]
        assert set(counts) == {1}

    run(story, tmp_path, own_server=False, kinds={"fake": kind})


def test_servers_that_take_no_more_are_not_stormed(tmp_path: Path) -> None:
    kind = FakeKind("python")
    kind.prepared = [Slow(0.1, call_s=1.0) for _ in range(2)]

    async def story(plane: Plane) -> None:
        grown = model("m", python="models:Any", maxReplicas=9, server="s")
        await begin(plane, server("s", replicas=2), grown)
        until_ms = plane.clock.now_ms() + 60_000.0

        async def caller() -> None:
            while plane.clock.now_ms() < until_ms:
                await plane.call("m")

        callers = [asyncio.create_task(caller()) for _ in range(40)]
        await asyncio.sleep(30.0)
        assert kind.held("m") == 2
        assert sum(len(each.loads) for each in kind.made) == 2
        reason, message = scaled(plane)
        assert reason == "NoServer"
        assert "no server takes more" in message
        [said] = [plane.condition("Server", "s", "ScaleUpWanted")]
        assert said is not None
        assert "'m'" in said[2]
        await asyncio.gather(*callers)

    run(story, tmp_path, own_server=False, kinds={"fake": kind})


def test_in_one_process_it_is_said_what_more_copies_take(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await plane.apply(model("m", python="models:Any", replicas=2))
        await plane.settle()
        scarce = plane.condition("Model", "m", "ReplicasReady")
        assert scarce is not None
        assert "start it with --workers, or apply a server with more replicas" in scarce[2]

    run(story, tmp_path)


def test_servers_follow_their_models(tmp_path: Path) -> None:
    kind = FakeKind("python")
    kind.prepared = [Slow(0.1, call_s=1.0) for _ in range(4)]

    async def story(plane: Plane) -> None:
        grown = model("m", python="models:Any", maxReplicas=9, server="s")
        await begin(plane, server("s", maxReplicas=3), grown)
        assert len(kind.running) == 1
        until_ms = plane.clock.now_ms() + 30_000.0

        async def caller() -> None:
            while plane.clock.now_ms() < until_ms:
                await plane.call("m")

        callers = [asyncio.create_task(caller()) for _ in range(20)]
        await asyncio.sleep(20.0)
        assert (len(kind.running), kind.held("m")) == (3, 3)
        assert len(kind.made) == 3, "no more are started than may be"
        said = plane.condition("Server", "s", "ScaleUpWanted")
        assert said is not None
        assert said[2].endswith("; raise spec.maxReplicas")
        await asyncio.gather(*callers)
        await asyncio.sleep(60.0)
        assert (len(kind.running), kind.held("m")) == (1, 1)
        assert plane.condition("Server", "s", "ReplicasReady") is None

    run(story, tmp_path, own_server=False, kinds={"fake": kind})


def test_servers_go_on_being_scaled_after_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kind, looks = FakeKind("python"), []
    more = Shortage.more

    def fails_at_first(shortage: Shortage, server: str) -> int:
        looks.append(server)
        if len(looks) == 1:
            raise KeyError(server)
        return more(shortage, server)

    monkeypatch.setattr(Shortage, "more", fails_at_first)

    async def story(plane: Plane) -> None:
        grown = model("m", python="models:Any", replicas=3, server="s")
        await begin(plane, server("s", maxReplicas=3), grown)
        await asyncio.sleep(5.0)
        assert kind.held("m") == 3
        assert "nothing more is scaled this time, by a defect of Penstock" in caplog.text

    run(story, tmp_path, own_server=False, kinds={"fake": kind})


def test_nothing_is_scaled_by_figures_that_stop_coming(tmp_path: Path) -> None:
    kind = FakeKind("python")

    async def story(plane: Plane) -> None:
        kind.prepared = [Elsewhere(plane.clock.now_ms) for _ in range(4)]
        grown = model("m", python="models:Any", minReplicas=0, maxReplicas=4, server="s")
        await begin(plane, server("s", replicas=4), grown)
        await asyncio.sleep(3.5)
        grown_to = kind.held("m")
        assert grown_to > 1, "calls that this process does not see count as well"
        for each in kind.made:
            assert isinstance(each, Elsewhere)
            each.tells = False
        await asyncio.sleep(10.5)
        grown_to = kind.held("m")
        await asyncio.sleep(300.0)
        assert kind.held("m") == grown_to
        reason, message = scaled(plane)
        assert reason == "FiguresStale"
        assert "nothing is changed by figures older than 10 s" in message

    run(story, tmp_path, own_server=False, kinds={"fake": kind})


def test_a_model_that_is_not_scaled_any_more_says_nothing_of_it(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy())
        await asyncio.sleep(2.0)
        assert scaled(plane)[0] == "ScaledByLoad"
        await begin(plane, model("m", python="models:Any"))
        await asyncio.sleep(2.0)
        assert plane.condition("Model", "m", "Scaled") is None

    run(story, tmp_path)


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    async def story(plane: Plane) -> None:
        await begin(plane, sleepy())
        await asyncio.sleep(60.0)
        assert plane.server.loaded
        document = plane.control.scaling()
        assert document["dry_run"] is True
        [decided] = document["models"]
        assert (decided["replicas"], decided["decided"]) == (1, 0)
        assert "nobody has called it" in decided["reason"]
        assert plane.condition("Model", "m", "Scaled") is None

    run(story, tmp_path, scaling=rules(dry_run=True))


def test_what_was_decided_outlives_the_process(tmp_path: Path) -> None:
    async def falls_asleep(plane: Plane) -> None:
        await begin(plane, sleepy())
        await asyncio.sleep(33.0)
        assert not plane.server.loaded

    async def wakes(plane: Plane) -> None:
        assert await plane.settle() == []
        assert not plane.server.loads, "it is asleep still"
        assert (await plane.call("m")).model_name == "m"

    for story in (falls_asleep, wakes):
        database = Database(tmp_path / "penstock.db")
        run(story, tmp_path, database=database)
        database.close()


def test_how_many_replicas_a_server_has_outlives_the_process(tmp_path: Path) -> None:
    def kind() -> FakeKind:
        made = FakeKind("python")
        made.prepared = [Slow(0.1, call_s=1.0) for _ in range(4)]
        return made

    async def grows(plane: Plane) -> None:
        grown = model("m", python="models:Any", maxReplicas=9, server="s")
        await begin(plane, server("s", maxReplicas=3), grown)
        until_ms = plane.clock.now_ms() + 20_000.0

        async def caller() -> None:
            while plane.clock.now_ms() < until_ms:
                await plane.call("m")

        await asyncio.gather(*[caller() for _ in range(20)])
        assert len(first.running) == 3

    async def has_grown(plane: Plane) -> None:
        assert await plane.settle() == []
        assert len(second.running) == 3
        await asyncio.sleep(60.0)
        assert len(second.running) == 1, "it shrinks as any other"

    first, second = kind(), kind()
    for story, made in ((grows, first), (has_grown, second)):
        database = Database(tmp_path / "penstock.db")
        run(story, tmp_path, own_server=False, kinds={"fake": made}, database=database)
        database.close()


def test_another_number_in_the_manifest_counts_from_then_on(tmp_path: Path) -> None:
    kind = FakeKind("python")

    async def story(plane: Plane) -> None:
        spec = {"python": "models:Any", "minReplicas": 0, "maxReplicas": 5, "server": "s"}
        await begin(plane, server("s", replicas=4), model("m", replicas=2, **spec))
        assert kind.held("m") == 2
        await asyncio.sleep(33.0)
        assert kind.held("m") == 0
        await begin(plane, model("m", replicas=3, **spec))
        await asyncio.sleep(1.5)
        assert kind.held("m") == 3

    run(story, tmp_path, own_server=False, kinds={"fake": kind})


@pytest.mark.parametrize(
    "written",
    [
        {"maxReplicas": 1},
        {"minReplicas": 2, "replicas": 2},
        {"replicas": 2},
        {"minReplicas": 1, "replicas": 2},
    ],
)
def test_a_model_without_room_between_its_bounds_is_left_alone(
    tmp_path: Path, written: dict[str, int]
) -> None:
    async def story(plane: Plane) -> None:
        await plane.apply(model("m", python="models:Any", **written))
        await plane.settle()
        await asyncio.sleep(400.0)
        assert len(plane.server.loaded) == 1
        assert plane.control.scaling()["models"] == []

    run(story, tmp_path)
