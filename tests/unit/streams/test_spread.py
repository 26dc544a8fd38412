"""Layout spread where something goes wrong, or changes, under way. Time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

import pytest

from contract.layouts import InProcess, Seen, Sent, Told, Workload, compiled, told
from contract.scripted_pipelines import random_workload
from contract.streamed_layouts import Opened, Running, Streamed, opened_as
from contract.test_layouts import in_memory
from harness.late_reading import LATE_S, LateReading
from harness.virtual_time import in_virtual_time
from penstock.core.clock import Clock, VirtualClock
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.contracts.transport import Delivery, Output, Ownership, Written
from penstock.core.errors import TooLargeError
from penstock.core.records import Absent, Failed, Port, Record, Tensors
from penstock.core.resources import Pipeline
from penstock.core.streams import StreamLimits
from penstock.core.streams.headers import CALL_HEADER, SETTINGS_HEADER
from penstock.core.tensors import Tensor
from penstock.testing.scripts import tensor
from penstock.transports.memory import MemoryOptions, MemoryTransport

read_late = opened_as(lambda clock: LateReading(MemoryOptions(), clock=clock))

Answering = Callable[[ModelCall], Coroutine[Any, Any, Tensors]]


class Asked(ModelInstance):
    """Does what a test says, and knows by whom it was called."""

    def __init__(self, answer: Answering) -> None:
        super().__init__()
        self._answer = answer
        self.calls: list[ModelCall] = []
        self.under_way = 0
        self.most_under_way = 0

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        self.calls.append(call)
        return self._counted(call)

    async def _counted(self, call: ModelCall) -> Tensors:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._answer(call)
        finally:
            self.under_way -= 1


def workload(spec: Mapping[str, Any], model: ModelInstance, *requests: Sent) -> Workload:
    """Requests to a pipeline ``p`` whose steps all call ``m``."""
    steps = [{"model": "m", **step} for step in spec["steps"]]
    pipeline = Pipeline.model_validate(
        {"metadata": {"name": "p"}, "spec": {**spec, "steps": steps}}
    )

    async def models() -> Mapping[str, ModelInstance]:
        return {"m": model}

    return Workload((pipeline,), models, requests)


def sent(name: str, **more: float) -> Sent:
    """A request with one tensor."""
    return Sent(name, (tensor("x", f"{name}.x"),), **more)


async def after_100_ms(call: ModelCall) -> Tensors:
    await asyncio.sleep(0.1)
    return (tensor("y", f"{call.step}.y"),)


ONE = {"steps": [{"name": "a"}], "output": {"steps": ["a"]}}
CHAIN = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}
PATIENT = StreamLimits(hand_over_ms=10_000.0)


def in_spread(
    load: Workload,
    story: Callable[[Running], Coroutine[Any, Any, None]],
    *,
    opened: Opened = in_memory,
    **more: Any,
) -> dict[str, Seen]:
    """What was seen of a workload, whose roles do what ``story`` says."""

    async def told_story(clock: VirtualClock) -> dict[str, Seen]:
        async with Streamed(opened, spread=True, **more).serving(load, clock) as running:
            await story(running)
            await asyncio.sleep(60.0)
        return running.seen()

    return in_virtual_time(told_story)


async def send_all(running: Running, load: Workload) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(len(load.requests)):
            tasks.create_task(running.send(number))


async def send_while_killed(running: Running, load: Workload, killed: str, random: Random) -> None:
    """Send it all, while owners, model gateways or both die and others take their place."""
    sending = asyncio.create_task(send_all(running, load))
    for _ in range(3):
        await asyncio.sleep(random.choice((0.0, 0.001, 0.01, 0.05, 0.2)))
        if killed != "model gateway":
            await running.kill(running.workers[0])
            await running.add_worker()
        if killed != "owner":
            await running.kill(running.model_gateways[0])
            await running.add_model_gateway()
    await sending


async def send_while_others_come(running: Running, load: Workload) -> None:
    """Send it all, while an owner and a model gateway leave in peace and others have come."""
    sending = asyncio.create_task(send_all(running, load))
    await asyncio.sleep(0.015)
    await running.add_worker()
    await running.add_model_gateway()
    await running.leave(running.workers[0])
    await running.leave(running.model_gateways[0])
    await sending


def value(token: str) -> Told:
    return told((tensor("y", token),))


# Crashes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("killed", ["owner", "model gateway", "both"])
def test_nothing_is_lost_or_confused_when_somebody_is_killed(killed: str) -> None:
    for seed in range(60):
        load = random_workload(seed, unhurried=True)
        random = Random(seed)
        wanted = in_virtual_time(partial(InProcess().run, load))

        story = partial(send_while_killed, load=load, killed=killed, random=random)

        got = in_spread(load, story)
        for name, want in wanted.items():
            # What a crash repeats is the same as before.
            assert set(got[name].answers) == set(want.answers), f"seed {seed}"
            assert set(got[name].ports) == set(want.ports), f"seed {seed}"


def test_nor_when_owner_and_model_gateway_are_one_process() -> None:
    for seed in range(60):
        load = random_workload(seed, unhurried=True)
        wanted = in_virtual_time(partial(InProcess().run, load))

        story = partial(send_while_killed, load=load, killed="owner", random=Random(seed))

        got = in_spread(load, story, opened=read_late, workers=2, together=True, limits=PATIENT)
        for name, want in wanted.items():
            assert set(got[name].answers) == set(want.answers), f"seed {seed}"
            assert set(got[name].ports) == set(want.ports), f"seed {seed}"


@pytest.mark.parametrize("leaves", [False, True])
def test_what_was_carried_out_before_it_came_is_not_left_to_the_next(leaves: bool) -> None:
    async def at_once(call: ModelCall) -> Tensors:
        return (tensor("y", "y"),)

    model = Asked(at_once)
    load = workload(ONE, model, sent("q"))

    async def story(running: Running) -> None:
        sending = asyncio.create_task(send_all(running, load))
        await asyncio.sleep(1.5 * LATE_S)
        assert len(model.calls) == 1, "its call has not come yet"
        leaving = running.model_gateways if leaves else []
        await running.add_model_gateway()
        await asyncio.gather(*map(running.leave, leaving))
        await sending

    got = in_spread(load, story, opened=read_late, together=True, limits=PATIENT)
    assert got["q"].answers == [value("y")]
    assert len(model.calls) == 1


@pytest.mark.parametrize("opened", [in_memory, read_late], ids=["at once", "late"])
@pytest.mark.parametrize("together", [False, True])
def test_who_leaves_in_peace_repeats_nothing(opened: Opened, together: bool) -> None:
    for seed in range(40):
        load = random_workload(seed, unhurried=True)
        wanted = in_virtual_time(partial(InProcess().run, load))

        story = partial(send_while_others_come, load=load)

        got = in_spread(load, story, opened=opened, limits=PATIENT, together=together)
        assert got == wanted, f"seed {seed}"


def test_an_outcome_for_an_earlier_owner_is_not_taken() -> None:
    async def numbered(call: ModelCall) -> Tensors:
        number = len(model.calls)
        await asyncio.sleep(0.1)
        return (tensor("y", f"call {number}"),)

    model = Asked(numbered)
    load = workload(ONE, model, sent("r"))

    async def story(running: Running) -> None:
        await running.send(0)
        await asyncio.sleep(0.05)
        await running.kill(running.workers[0])
        await running.add_worker()

    seen = in_spread(load, story)["r"]
    assert seen.answers == [value("call 2")]
    assert [each for each in seen.ports if each[0] == "a.outputs"] == [
        ("a.outputs", 0, value("call 1")),
        ("a.outputs", 0, value("call 2")),
    ]


def test_a_call_that_takes_one_gateway_down_after_another_is_given_up() -> None:
    model = Asked(after_100_ms)
    load = workload(
        {"steps": [{"name": "a"}, {"name": "b"}], "output": {"steps": ["a"]}}, model, sent("r")
    )

    async def story(running: Running) -> None:
        await running.send(0)
        for _ in range(2):
            await asyncio.sleep(0.05)
            await running.kill(running.model_gateways[0])
            await running.add_model_gateway()

    limits = StreamLimits(max_deliveries=2)
    seen = in_spread(load, story, limits=limits)["r"]
    reason = "2 workers went away while they had the request; it is not tried again"
    assert seen.answers == [("failed", "lost", reason, "a")]
    assert ("a.outputs", 0, ("failed", "lost", reason, "a")) in seen.ports
    assert seen.letters == ["lost", "lost"], "of a, and of b, which no caller hears of"


# Time -------------------------------------------------------------------------------------------


def test_calls_wait_for_a_gateway_and_those_that_are_too_late_are_not_made() -> None:
    model = Asked(after_100_ms)
    load = workload(ONE, model, sent("soon", deadline_ms=1_000.0), sent("patient"))

    async def story(running: Running) -> None:
        await send_all(running, load)
        await asyncio.sleep(3.0)
        assert "soon" in {each.identity for each in running.watch.records[running.outputs]}
        await running.add_model_gateway()

    seen = in_spread(load, story, model_gateways=0)
    assert [call.origin.identity for call in model.calls] == ["patient"]
    assert seen["patient"].answers == [value("a.y")]
    assert seen["soon"].answers == [
        ("failed", "deadline", "the deadline of 1000 ms passed while 'a' was at work", "a")
    ]
    own = ("failed", "deadline", "the request's deadline passed while step 'a' was at work", "a")
    assert ("a.outputs", 0, own) in seen["soon"].ports
    assert len(seen["soon"].ports) == 3


def test_no_more_calls_are_under_way_than_a_gateway_may_have_in_hand() -> None:
    model = Asked(after_100_ms)
    load = workload(ONE, model, *[sent(f"r{number}") for number in range(20)])
    seen = in_spread(
        load,
        lambda running: send_all(running, load),
        partitions=1,
        limits=StreamLimits(in_flight=3),
    )
    assert model.most_under_way == 3
    assert all(each.answers == [value("a.y")] for each in seen.values())


def test_a_model_is_not_overloaded_by_what_its_stream_can_keep() -> None:
    model = Asked(after_100_ms)
    load = workload(CHAIN, model, *[sent(f"r{number}") for number in range(400)])
    limits = StreamLimits(in_flight=200)
    seen = in_spread(load, lambda running: send_all(running, load), limits=limits)
    assert model.most_under_way == 256
    assert all(each.answers == [value("b.y")] for each in seen.values())


def test_calls_that_wait_for_others_are_made_by_who_comes_after_a_crash() -> None:
    model = Asked(after_100_ms)
    load = workload(ONE, model, *[sent(f"r{number}") for number in range(10)])

    async def story(running: Running) -> None:
        await send_all(running, load)
        await asyncio.sleep(0.15)
        await running.kill(running.model_gateways[0])
        await running.add_model_gateway()

    seen = in_spread(load, story, most_per_model=2)
    assert model.most_under_way == 2
    assert all(each.answers == [value("a.y")] for each in seen.values())


def test_who_is_not_answered_is_not_waited_for_when_the_time_is_over() -> None:
    load = workload(ONE, Asked(after_100_ms), sent("r", deadline_ms=500.0))

    async def story(running: Running) -> None:
        await running.send(0)
        await asyncio.sleep(0.1)
        assert running.workers[0].calls_elsewhere == 1
        await asyncio.sleep(0.5)
        assert running.workers[0].calls_elsewhere == 0

    in_spread(load, story, model_gateways=0)


def test_the_time_is_over_when_it_is_for_the_owner() -> None:
    async def never(call: ModelCall) -> Tensors:
        await asyncio.get_running_loop().create_future()
        return ()

    spec = {"steps": [{"name": "a", "onError": "absent"}], "output": {"steps": ["a"]}}
    load = workload(spec, Asked(never), sent("r", deadline_ms=500.0))

    async def story(running: Running) -> None:
        await running.send(0)
        await asyncio.sleep(0.1)
        running.clock_of(running.model_gateways[0]).offset_ms += 50.0

    seen = in_spread(load, story)["r"]
    wanted = "the deadline of 500 ms passed while 'a' was at work"
    assert seen.answers == [("failed", "deadline", wanted, "a")]
    own = ("failed", "deadline", "the request's deadline passed while step 'a' was at work", "a")
    assert [body for port, _, body in seen.ports if port == "a.outputs"] == [own]


def test_visits_of_two_rounds_may_be_called_at_once() -> None:
    async def by_round(call: ModelCall) -> Tensors:
        if call.step == "b":
            await asyncio.sleep(0.1)
            return (tensor("y", f"b{call.round}"),)
        put_out = ("again", "out again", "out")[call.round].split()
        return tuple(tensor(name, f"a{call.round}") for name in put_out)

    turning = ["p", "a.outputs.again", "b.outputs.never"]
    steps = [
        {"name": "a", "inputs": turning, "inputsJoinType": "any"},
        {"name": "b", "inputs": ["a.outputs.out"]},
    ]
    spec = {"allowCycles": True, "steps": steps, "output": {"steps": ["b.outputs.y"]}}
    load = workload(spec, Asked(by_round), sent("r"))
    wanted = in_virtual_time(partial(InProcess().run, load))
    values = {(port, number) for port, number, body in wanted["r"].ports if body[0] == "value"}
    assert values >= {("b.outputs", 1), ("b.outputs", 2)}
    assert in_spread(load, lambda running: send_all(running, load)) == wanted


class Batched(MemoryTransport):
    """Knows which ports are written together."""

    def __init__(self, clock: Clock, batches: list[list[str]]) -> None:
        super().__init__(MemoryOptions(), clock=clock)
        self._batches = batches

    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        self._batches.append([str(output.record.port) for output in outputs])
        return await super().finish(ownership, deliveries, outputs, handed)


def test_calls_that_one_outcome_leads_to_are_written_together() -> None:
    batches: list[list[str]] = []
    opened = opened_as(partial(Batched, batches=batches))
    steps = [{"name": "a"}, *({"name": each, "inputs": ["a"]} for each in "bcd")]
    load = workload({"steps": steps, "output": {"steps": ["b"]}}, Asked(after_100_ms), sent("r"))
    in_spread(load, lambda running: send_all(running, load), opened=opened)
    written = [batch for batch in batches if "b.inputs" in batch]
    assert written == [["b.inputs", "c.inputs", "d.inputs"]]


def test_calls_of_several_owners_are_shared_where_they_are_made() -> None:
    async def doubled(call: ModelCall) -> Tensors:
        (x,) = call.tensors
        return (Tensor("y", "INT32", x.shape, bytes(x.raw)),)

    model = Asked(doubled)
    spec = {
        "steps": [{"name": "a", "batch": {"size": 4, "windowMs": 50}}],
        "output": {"steps": ["a"]},
    }
    requests = [
        Sent(f"r{number}", (Tensor("x", "INT32", (1,), number.to_bytes(4, "little")),))
        for number in range(8)
    ]
    load = workload(spec, model, *requests)
    seen = in_spread(load, lambda running: send_all(running, load), workers=2)
    assert [len(call.origin.identities) for call in model.calls] == [4, 4]
    for number in range(8):
        wanted = told((Tensor("y", "INT32", (1,), number.to_bytes(4, "little")),))
        assert seen[f"r{number}"].answers == [wanted]


# What the transport will not have ----------------------------------------------------------------


class Choosy(MemoryTransport):
    """Takes no record at some ports whose tensors are whole."""

    def __init__(self, clock: Clock, refused: Sequence[str]) -> None:
        super().__init__(MemoryOptions(), clock=clock)
        self._refused = refused

    async def finish(
        self,
        ownership: Ownership,
        deliveries: Sequence[Delivery],
        outputs: Sequence[Output],
        handed: Callable[[], None] | None = None,
    ) -> Sequence[Written]:
        self._check(outputs)
        return await super().finish(ownership, deliveries, outputs, handed)

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        self._check(outputs)
        return await super().publish(outputs)

    def _check(self, outputs: Sequence[Output]) -> None:
        for each in outputs:
            body = each.record.body
            marked = isinstance(body, Absent | Failed) or not body[0].parameters
            if str(each.record.port) in self._refused and not marked:
                raise TooLargeError("the record is larger than the transport takes")


def choosy(*refused: str) -> Opened:
    return opened_as(partial(Choosy, refused=refused))


TOO_LARGE = ("too-large", "the record is larger than the transport takes")


@pytest.mark.parametrize("port", ["a.inputs", "a.outputs"])
@pytest.mark.parametrize("on_error", ["fail", "absent"])
@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_record_on_the_way_to_the_answer_that_is_too_large_fails_its_step(
    port: str, on_error: str, exactly_once: bool
) -> None:
    model = Asked(after_100_ms)
    spec = {"steps": [{"name": "a", "onError": on_error}], "output": {"steps": ["a"]}}
    load = workload(spec, model, sent("r"))
    seen = in_spread(
        load,
        lambda running: send_all(running, load),
        opened=choosy(port),
        exactly_once=exactly_once,
    )["r"]
    assert len(model.calls) == (port == "a.outputs")
    code, reason = TOO_LARGE
    absent = ("absent", f"step 'a' failed ({code}): {reason}", "error")
    wanted = absent if on_error == "absent" else ("failed", code, reason, "a")
    assert [body for name, _, body in seen.ports if name == "a.outputs"] == [wanted]
    assert len(seen.answers) == 1
    assert seen.letters == ([] if on_error == "absent" else ["too-large"])


@pytest.mark.parametrize("exactly_once", [False, True])
def test_several_calls_of_one_request_may_be_too_large(exactly_once: bool) -> None:
    steps = [
        {"name": "a", "onError": "absent"},
        {"name": "b", "onError": "absent"},
        {"name": "c", "inputs": ["a", "b", "p"], "inputsJoinType": "outer"},
    ]
    load = workload(
        {"steps": steps, "output": {"steps": ["c"]}}, Asked(after_100_ms), sent("r"), sent("s")
    )
    refusing = choosy("a.inputs", "b.inputs")
    seen = in_spread(
        load, lambda running: send_all(running, load), opened=refusing, exactly_once=exactly_once
    )
    assert all(each.answers == [value("c.y")] for each in seen.values())
    assert all(len(each.ports) == 7 for each in seen.values())


# What is no call, or makes no sense ---------------------------------------------------------------


@pytest.mark.parametrize("exactly_once", [False, True])
def test_a_visit_that_fails_before_it_is_called_has_its_records_of_the_owner(
    exactly_once: bool,
) -> None:
    steps = [
        {"name": "a"},
        {"name": "b"},
        {"name": "c", "inputs": ["a", "b"], "inputsJoinType": "outer"},
    ]
    load = workload({"steps": steps, "output": {"steps": ["c"]}}, Asked(after_100_ms), sent("r"))
    wanted = in_virtual_time(partial(InProcess().run, load))
    assert wanted["r"].answers[0][1] == "step-failed", "two sources bring a tensor y"
    told_all = partial(send_all, load=load)
    assert in_spread(load, told_all, exactly_once=exactly_once) == wanted


@pytest.mark.parametrize(
    "settings", ["", "no json", '{"name": "b"}', '{"name": "a", "pipeline": "p"}']
)
def test_a_call_whose_settings_make_no_sense_fails(settings: str) -> None:
    model = Asked(after_100_ms)
    load = workload(ONE, model, sent("r"))

    async def story(running: Running) -> None:
        headers = {CALL_HEADER: "1.0.a.0", SETTINGS_HEADER: settings}
        record = Record(
            "r", b"", "p", 1, Port("a", "inputs"), 0, (tensor("x"),), {}, headers, float("inf")
        )
        await running.transport.publish([Output(running.stream(record.port), record, 0)])

    seen = in_spread(load, story)["r"]
    assert model.calls == []
    [body] = [body for port, _, body in seen.ports if port == "a.outputs"]
    assert body[:2] == ("failed", "invalid-request"), body
    assert seen.answers == []
    assert seen.letters == []


def test_a_new_version_has_its_own_steps_and_settings() -> None:
    model = Asked(after_100_ms)
    load = workload(ONE, model, sent("r"), sent("s"))
    second = workload(CHAIN, model).pipelines[-1]

    async def story(running: Running) -> None:
        await running.send(0)
        await asyncio.sleep(0.01)
        await running.serve(compiled(second, version=2, spread=True))
        await running.send(1)

    seen = in_spread(load, story)
    assert seen["r"].answers == [value("a.y")]
    assert seen["s"].answers == [value("b.y")]
