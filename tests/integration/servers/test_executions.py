"""Where models run: on the event loop, in threads, and how ``auto`` decides."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from harness.calls import ask, call_with, values
from penstock import InvalidRequest
from penstock.core.clock import SystemClock
from penstock.core.contracts.model import ModelInstance, ModelSpec
from penstock.core.errors import DeadlineError, OverloadedError, PenstockError, StepFailedError
from penstock.servers.binding.bound_model import BoundModel
from penstock.servers.inprocess import InProcessServer, auto_instance
from penstock.servers.inprocess.auto_instance import AutoInstance
from penstock.servers.inprocess.interruptions import Interruptions, ThreadTimes
from penstock.servers.inprocess.waiting import Patience

Load = Callable[..., Any]
PATIENCE_S = 10.0
"""How long a test waits for what must come; only a test that fails waits that long."""


class Gate:
    """A model that stands still until the test opens it."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)
        self.calls = 0

    def predict(self, x: Any) -> Any:
        self.calls += 1
        self.entered.release()
        assert self.opened.wait(PATIENCE_S)
        return {"y": x}

    async def until_entered(self, count: int = 1) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self.entered.acquire, True, PATIENCE_S)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def where(x: Any) -> Any:
    """A model that says which thread it is called in."""
    return {"thread": threading.get_ident()}


async def runs_here(model: ModelInstance) -> bool:
    answer = values(await ask(model, call_with(x=[1])))
    return bool(answer["thread"] == threading.get_ident())


def echo(x: Any) -> Any:
    return {"y": x}


class TestWhere:
    async def test_inline_on_the_event_loop(self, load: Load) -> None:
        assert await runs_here(await load(where, "inline"))

    async def test_threads_off_it(self, load: Load) -> None:
        assert not await runs_here(await load(where, "thread"))

    async def test_async_on_it(self, load: Load) -> None:
        async def predict(x: Any) -> Any:
            return where(x)

        assert await runs_here(await load(predict))
        assert await runs_here(await load(predict, "inline"))

    async def test_async_in_a_thread_when_that_is_said(self, load: Load) -> None:
        async def predict(x: Any) -> Any:
            await asyncio.sleep(0)
            return where(x)

        model = await load(predict, "thread")
        assert not await runs_here(model)
        assert not await runs_here(model)

    @pytest.mark.parametrize("execution", ["auto", "thread"])
    async def test_a_model_that_stands_still_holds_up_nobody(
        self, load: Load, gate: Gate, execution: str
    ) -> None:
        slow = await load(gate, execution)
        quick, other = await load(echo, "inline"), await load(echo, "thread")
        waiting = slow.infer(call_with(x=[1]))
        await gate.until_entered()
        for _ in range(100):
            assert isinstance(quick.infer(call_with(x=[1])), tuple)
            assert values(await ask(other, call_with(x=[2]))) == {"y": [2.0]}
        assert not waiting.done()
        gate.opened.set()
        assert values(await waiting) == {"y": [1.0]}

    @pytest.mark.parametrize("execution", ["auto", "inline", "thread"])
    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
    async def test_nothing_that_a_model_raises_ends_the_process(
        self, load: Load, execution: str, error: BaseException
    ) -> None:
        def exits(x: Any) -> Any:
            if x[0]:
                raise error
            return {"y": x}

        model = await load(exits, execution)
        with pytest.raises(StepFailedError, match=f"'m' raised {type(error).__name__}"):
            await ask(model, call_with(x=[1]))
        assert values(await ask(model, call_with(x=[0]))) == {"y": [0.0]}


class TestPlaces:
    async def test_as_many_calls_at_a_time_as_concurrency_says(
        self, load: Load, gate: Gate
    ) -> None:
        model = await load(gate, "thread", concurrency=2)
        calls = [model.infer(call_with(x=[n])) for n in range(4)]
        await gate.until_entered(2)
        await asyncio.sleep(0)
        assert gate.calls == 2
        gate.opened.set()
        answers = [values(each)["y"] for each in await asyncio.gather(*calls)]
        assert answers == [[0.0], [1.0], [2.0], [3.0]]

    @pytest.mark.parametrize("execution", ["auto", "thread"])
    async def test_too_many_are_refused(self, load: Load, gate: Gate, execution: str) -> None:
        model = await load(gate, execution)
        calls = [model.infer(call_with(x=[n])) for n in range(3)]
        with pytest.raises(OverloadedError, match="'m' is busy and 2 calls wait"):
            model.infer(call_with(x=[3]))
        gate.opened.set()
        await asyncio.gather(*calls)
        assert values(await ask(model, call_with(x=[4]))) == {"y": [4.0]}

    @pytest.mark.parametrize("execution", ["auto", "thread"])
    async def test_who_waits_gives_up_at_the_deadline_and_never_begins(
        self, load: Load, gate: Gate, execution: str
    ) -> None:
        model = await load(gate, execution)
        first = model.infer(call_with(x=[1]))
        await gate.until_entered()
        deadline_ms = SystemClock().now_ms() + 20.0
        with pytest.raises(DeadlineError, match="before model 'm' had a free place"):
            await ask(model, call_with(deadline_ms, x=[2]))
        with pytest.raises(DeadlineError):
            await ask(model, call_with(deadline_ms, x=[2]))
        gate.opened.set()
        await first
        await ask(model, call_with(x=[3]))
        assert gate.calls == 2

    async def test_what_is_given_up_while_it_waits_never_begins(
        self, load: Load, gate: Gate
    ) -> None:
        model = await load(gate, "thread")
        first, second = model.infer(call_with(x=[1])), model.infer(call_with(x=[2]))
        second.cancel()
        gate.opened.set()
        await first
        await ask(model, call_with(x=[3]))
        assert gate.calls == 2

    async def test_what_is_given_up_keeps_its_place_until_it_returns(
        self, load: Load, gate: Gate
    ) -> None:
        model = await load(gate, "thread")
        first = model.infer(call_with(x=[1]))
        await gate.until_entered()
        first.cancel()
        second = model.infer(call_with(x=[2]))
        await asyncio.sleep(0.01)
        assert gate.calls == 1
        gate.opened.set()
        assert values(await second) == {"y": [2.0]}

    async def test_async_models_have_places_too(self, load: Load) -> None:
        running, most = 0, 0

        async def predict(x: Any) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1
            return {"y": x}

        model = await load(predict, concurrency=2)
        answers = await asyncio.gather(*(ask(model, call_with(x=[n])) for n in range(4)))
        assert [values(each)["y"] for each in answers] == [[0.0], [1.0], [2.0], [3.0]]
        assert most == 2


class TestUnloading:
    async def test_waits_for_what_was_given_up(
        self, server: InProcessServer, load: Load, gate: Gate
    ) -> None:
        model = await load(gate, "thread")
        call = model.infer(call_with(x=[1]))
        await gate.until_entered()
        call.cancel()
        unloading = asyncio.create_task(server.unload(model))
        await asyncio.sleep(0.01)
        assert not unloading.done()
        gate.opened.set()
        await unloading

    async def test_but_not_for_ever(
        self, server: InProcessServer, load: Load, gate: Gate, caplog: pytest.LogCaptureFixture
    ) -> None:
        model = await load(gate, "thread")
        call = model.infer(call_with(x=[1]))
        await gate.until_entered()
        call.cancel()
        await server.unload(model)
        assert "'m' is unloaded while calls that were given up hang in it" in caplog.text

    async def test_threads_end(self, server: InProcessServer, load: Load) -> None:
        model = await load(echo, "thread", concurrency=3)
        await asyncio.gather(*(ask(model, call_with(x=[n])) for n in range(5)))
        own = [each for each in threading.enumerate() if each.name.startswith("model m ")]
        assert own
        await server.unload(model)
        for thread in own:
            await asyncio.to_thread(thread.join, PATIENCE_S)
            assert not thread.is_alive()


class Timer:
    """Seconds that pass only when a model says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class TestAuto:
    """``auto`` with a timer that the test moves, so that a busy machine changes no verdict."""

    waited_s = 0.0
    collections = 0

    @pytest.fixture
    def timer(self) -> Timer:
        return Timer()

    @pytest.fixture(autouse=True)
    def _sampled(self) -> None:
        self.interruptions = Interruptions(
            lambda: ThreadTimes(0.0, self.waited_s), lambda: self.collections, lambda: 0.0
        )
        self.interruptions.sample()

    def auto(self, model: Any, timer: Timer, limit: int = 256) -> AutoInstance:
        clock = SystemClock()
        bound = BoundModel(model, ModelSpec("m", 1), clock)
        patience = Patience("m", limit, clock)
        return AutoInstance(
            bound,
            concurrency=1,
            interruptions=self.interruptions,
            patience=patience,
            grace_s=1.0,
            timer=timer,
        )

    async def until_inline(self, model: AutoInstance) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while model.inline is None:
                await ask(model, call_with(x=[0]))
                await asyncio.sleep(0)

    async def test_a_quick_model_moves_to_the_event_loop(self, timer: Timer) -> None:
        model = self.auto(where, timer)
        assert not await runs_here(model)
        await self.until_inline(model)
        assert await runs_here(model)
        await model.close()

    async def test_a_model_that_takes_long_never_does(self, timer: Timer) -> None:
        def long(x: Any) -> Any:
            timer.now_s += 0.001
            return where(x)

        model = self.auto(long, timer)
        for _ in range(200):
            assert not await runs_here(model)
        await model.close()

    async def test_after_a_long_call_on_the_loop_it_rests_and_proves_itself_again(
        self, timer: Timer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(auto_instance, "FIRST_REST_S", 0.05)
        caplog.set_level(logging.INFO)

        def sometimes(x: Any) -> Any:
            timer.now_s += float(x[0])
            return where(x)

        model = self.auto(sometimes, timer)
        await self.until_inline(model)
        await ask(model, call_with(x=[0.006]))
        assert "'m' took more than 5 ms (6): it leaves the event loop for 0.05 s" in caplog.text
        await self.until_inline(model)
        await ask(model, call_with(x=[0.020]))
        assert "'m' took more than 5 ms (20): it leaves the event loop for 0.1 s" in caplog.text
        await self.until_inline(model)
        await model.close()

    async def test_a_very_long_call_on_the_loop_is_the_last_one_there(
        self, timer: Timer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(auto_instance, "FIRST_REST_S", 0.0)
        caplog.set_level(logging.INFO)

        def sometimes(x: Any) -> Any:
            timer.now_s += float(x[0])
            return where(x)

        model = self.auto(sometimes, timer)
        await self.until_inline(model)
        await ask(model, call_with(x=[0.004]))
        assert model.inline is not None
        await ask(model, call_with(x=[0.051]))
        assert "'m' took more than 5 ms (51): it leaves the event loop for good" in caplog.text
        for _ in range(100):
            assert not await runs_here(model)
            assert model.inline is None
        await model.close()

    async def test_a_call_that_others_held_up_does_not_count(self, timer: Timer) -> None:
        def held_up(x: Any) -> Any:
            timer.now_s += float(x[0])
            self.waited_s += float(x[1])
            self.collections += int(x[2])
            return {}

        model = self.auto(held_up, timer)
        while model.inline is None:
            await ask(model, call_with(x=[0, 0, 0]))
        stays = []
        for call in ([0.030, 0.026, 0], [0.030, 0.026, 0], [0.030, 0, 1], [0.030, 0.024, 0]):
            self.interruptions.sample()
            await ask(model, call_with(x=call))
            stays.append(model.inline is not None)
        assert stays == [True, True, True, False]
        await model.close()

    async def test_under_load_too(self, timer: Timer) -> None:
        """Trials need idle threads; calls that come meanwhile are held back, not starved."""
        model = self.auto(echo, timer)

        async def caller(n: int) -> None:
            for _ in range(40):
                assert values(await ask(model, call_with(x=[n]))) == {"y": [float(n)]}
                await asyncio.sleep(0)

        async with asyncio.timeout(PATIENCE_S):
            while model.inline is None:
                await asyncio.gather(*(caller(n) for n in range(64)))
        await asyncio.gather(*(caller(n) for n in range(64)))
        await model.close()

    async def test_the_errors_are_the_same_everywhere(self, timer: Timer) -> None:
        def picky(x: Any) -> Any:
            if x[0] < 0:
                raise InvalidRequest("negative")
            return {"y": x}

        model = self.auto(picky, timer)

        async def outcome(n: float) -> str:
            try:
                return str(values(await ask(model, call_with(x=[n]))))
            except PenstockError as error:
                return error.code

        while model.inline is None:
            outcomes = await asyncio.gather(*(outcome(n) for n in (-1.0, 1.0, -1.0, 2.0)))
            assert outcomes == [
                "invalid-request",
                "{'y': [1.0]}",
                "invalid-request",
                "{'y': [2.0]}",
            ]
        assert await outcome(-1.0) == "invalid-request"
        await model.close()

    async def test_a_trial_ends_when_patience_does(self, gate: Gate) -> None:
        model = self.auto(gate, Timer())
        began_s = time.monotonic()
        call = model.infer(call_with(x=[1]))
        # The trial itself lasts a millisecond; the rest is for a machine that is busy.
        assert time.monotonic() - began_s < 0.5
        assert not isinstance(call, tuple)
        held = model.infer(call_with(x=[2]))
        assert not isinstance(held, tuple)
        gate.opened.set()
        assert [values(await call), values(await held)] == [{"y": [1.0]}, {"y": [2.0]}]
        await model.close()

    async def test_who_was_held_back_goes_on_wherever_the_model_is_by_then(
        self, gate: Gate
    ) -> None:
        class Picky(Gate):
            def predict(self, x: Any) -> Any:
                if x[0] % 10 == 7:
                    raise InvalidRequest("a seven")
                return super().predict(x)

        picky = Picky()
        model = self.auto(picky, Timer())
        calls: list[Any] = [model.infer(call_with(x=[0]))]
        await picky.until_entered()
        calls += [model.infer(call_with(x=[n])) for n in range(1, 200)]
        calls[5].cancel()
        picky.opened.set()
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert model.inline is not None
        for n, answer in enumerate(answers):
            if n == 5:
                assert isinstance(answer, asyncio.CancelledError)
            elif n % 10 == 7:
                assert isinstance(answer, InvalidRequest)
            else:
                assert not isinstance(answer, BaseException)
                assert values(answer) == {"y": [float(n)]}
        assert picky.calls == 200 - 1 - 20
        await model.close()

    async def test_who_is_held_back_may_leave(self, gate: Gate) -> None:
        model = self.auto(gate, Timer(), limit=1)
        first = model.infer(call_with(x=[1]))
        await gate.until_entered()
        held = asyncio.ensure_future(model.infer(call_with(x=[2])))  # type: ignore[arg-type]  # not a tuple
        with pytest.raises(OverloadedError):
            model.infer(call_with(x=[3]))
        held.cancel()
        gate.opened.set()
        await first  # type: ignore[misc]  # as above
        assert values(await ask(model, call_with(x=[4]))) == {"y": [4.0]}
        assert gate.calls == 2
        await model.close()


async def test_big_tensors_cross_without_copies(load: Load) -> None:
    array = np.ones(1 << 20, np.float32)
    for execution in ("inline", "thread"):
        model = await load(echo, execution)
        call = call_with(x=array)
        [answer] = await ask(model, call)
        assert np.shares_memory(answer.array, array)
