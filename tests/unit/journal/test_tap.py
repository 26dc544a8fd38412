"""Taps: what they want, what they lose, and that nobody else pays for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.inquiries import Tapped
from penstock.core.errors import InvalidRequestError, NotFoundError, OverloadedError
from penstock.core.journal.tap import Tap, TapRecord, Wanted, wanted
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.pipeline_gateway.tapping import MOST_TAPS
from penstock.core.records import Absent, Failed, Port
from penstock.core.signature import Signature, TensorSpec
from penstock.core.tensors import Tensor
from penstock.testing.scripts import tensor
from unit.gateway.test_followed import Everybody

OUT = Port(None, "outputs")
CHAIN = {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}}


def record(body: Any = None, port: Port = OUT) -> TapRecord:
    return TapRecord("r", None, "p", 1, port, 0, 5.0, body or (tensor("y"),))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("p", Wanted("p", OUT)),
        ("p.inputs", Wanted("p", Port(None, "inputs"))),
        ("p.outputs.y", Wanted("p", OUT, "y")),
        ("p.step.a", Wanted("p", Port("a", "outputs"))),
        ("p.step.a.inputs.x.y", Wanted("p", Port("a", "inputs"), "x.y")),
        ("p.model", Wanted("p", OUT, kind="model")),
        ("p.pipeline.inputs.x", Wanted("p", Port(None, "inputs"), "x", kind="pipeline")),
    ],
)
def test_what_is_wanted_is_written_as_others_read_it(reference: str, expected: Wanted) -> None:
    assert wanted(reference) == expected


@pytest.mark.parametrize(
    ("reference", "options", "sentence"),
    [
        ("p.a", {}, "after the name comes 'inputs', 'outputs' or 'step', not 'a'"),
        ("", {}, "a name is missing"),
        ("p", {"state": "open"}, "there is no state 'open'; write value, absent, failed"),
        ("p.inputs", {"everything": True}, "name its pipeline or model alone"),
    ],
)
def test_what_cannot_be_wanted(reference: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        wanted(reference, **options)
    assert sentence in caught.value.message


def test_a_state_and_a_tensor_choose_records() -> None:
    assert Wanted("p", OUT, "y").of(record()) == record()
    left_out = Wanted("p", OUT, "z").of(record())
    assert left_out is not None
    assert left_out.body == Absent("there was no tensor 'z'", "left-out")
    assert Wanted("p", OUT, None, "failed").of(record()) is None
    assert Wanted("p", OUT, None, "failed").of(record(Failed("lost", "gone"))) is not None
    assert Wanted("p", OUT, "z", "value").of(record()) is None
    assert Wanted("p", None).of(record(port=Port("a", "inputs"))) is not None
    assert Wanted("p", OUT).of(record(port=Port("a", "inputs"))) is None


async def test_a_slow_follower_loses_the_oldest_and_is_told_how_many() -> None:
    tap = Tap(Wanted("p", None), most=3)
    for number in range(5):
        tap.tell(record((Tensor(f"t{number}", "UINT8", (1,), b"x"),)))
    assert await tap.next() == 2
    kept = [await tap.next() for _ in range(3)]
    assert [each.body[0].name for each in kept if isinstance(each, TapRecord)] == ["t2", "t3", "t4"]  # type: ignore[union-attr]  # tensors


async def test_contents_are_bounded_as_well() -> None:
    tap = Tap(Wanted("p", None), most_bytes=100)
    for _ in range(3):
        tap.tell(record((Tensor("t", "UINT8", (60,), bytes(60)),)))
    assert await tap.next() == 2
    tap.tell(record((Tensor("t", "UINT8", (200,), bytes(200)),)))
    assert await tap.next() == 2


async def test_what_came_before_the_end_can_be_read() -> None:
    tap = Tap(Wanted("p", None))
    tap.tell(record())
    tap.end(NotFoundError("it was deleted"))
    assert await tap.next() == record()
    with pytest.raises(NotFoundError, match="it was deleted"):
        await tap.next()


def world(clock: VirtualClock) -> GatewayWorld:
    at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
    at.model("a", [Act("after", 10.0)])
    at.model("b", [Act("now")])
    return at


def follow(at: GatewayWorld, port: str, told: list[Tapped], **options: Any) -> asyncio.Task[None]:
    async def read() -> None:
        chosen = {"everything": False, "state": None, "most": 0, **options}
        async for each in at.desk.tap(port, **chosen):
            told.append(each)  # noqa: PERF401 - others look at it meanwhile

    return asyncio.get_running_loop().create_task(read())


@pytest.mark.parametrize("kept", ["none", "boundary", "all"])
def test_a_port_that_is_not_recorded_is_followed(kept: Any) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("p", CHAIN, record=kept)
        told: list[Tapped] = []
        reading = follow(at, "p.step.a.inputs", told, most=2)
        await asyncio.sleep(0)
        callers = [Caller(at) for _ in range(3)]
        for caller in callers:
            caller.send("p")
        await at.gateway.drain()
        await reading
        assert [each.kind for each in told] == ["open", "record", "record"]
        document = told[1].document
        assert document["port"] == "p.step.a.inputs"
        assert callers[0].ticket is not None
        assert document["id"] == callers[0].ticket.identity
        if kept != "none":
            # What is remembered is what the manifest says, followed or not.
            story = at.desk.story(callers[0].ticket.identity)
            ports = {str(each.port) for each in story.records}
            assert ("a.inputs" in ports) == (kept == "all")
            assert "outputs" in ports

    in_virtual_time(main)


def test_nobody_pays_before_and_after() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("p", CHAIN)

        def plan() -> Any:
            return at.gateway.resolve("p").deployment.plan  # type: ignore[attr-defined]  # a served target

        plain = plan()
        assert not plain.emits
        told: list[Tapped] = []
        reading = follow(at, "p", told)
        await asyncio.sleep(0)
        assert plan().emits
        assert plan().version == plain.version
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await asyncio.sleep(0)
        assert plan() is plain

    in_virtual_time(main)


def test_a_new_version_is_followed_and_one_without_the_step_ends_the_tap() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("p", CHAIN)
        told: list[Tapped] = []
        reading = follow(at, "p.step.b", told)
        everything: list[Tapped] = []
        other = follow(at, "p", everything, everything=True)
        await asyncio.sleep(0)
        at.pipeline("p", {**CHAIN, "maxStepRevisits": 7})
        Caller(at).send("p")
        await at.gateway.drain()
        await asyncio.sleep(0)
        assert [each.document.get("version") for each in told] == [None, 2]
        at.pipeline("p", {"steps": [{"name": "a"}], "output": {"steps": ["a"]}})
        with pytest.raises(NotFoundError, match="has no step 'b'"):
            await reading
        at.remove("p")
        with pytest.raises(NotFoundError, match="pipeline 'p' was deleted"):
            await other
        ports = {each.document["port"] for each in everything[1:]}
        assert ports == {
            "p.inputs", "p.step.a.inputs", "p.step.a.outputs",
            "p.step.b.inputs", "p.step.b.outputs", "p.outputs",
        }  # fmt: skip

    in_virtual_time(main)


def test_what_is_not_there_cannot_be_followed() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("p", CHAIN)
        with pytest.raises(NotFoundError, match="there is no model or pipeline 'q'"):
            at.desk.tap("q", everything=False, state=None, most=0)
        with pytest.raises(NotFoundError, match="pipeline 'p', version 1, has no step 'c'"):
            at.desk.tap("p.step.c", everything=False, state=None, most=0)
        at.alone("a")
        with pytest.raises(NotFoundError, match=r"model 'a' has no steps; follow a\.inputs or"):
            at.desk.tap("a.step.a", everything=False, state=None, most=0)
        with pytest.raises(NotFoundError, match="there is no pipeline 'a'"):
            at.desk.tap("a.pipeline", everything=False, state=None, most=0)

    in_virtual_time(main)


def test_a_tensor_that_a_port_is_known_not_to_hold() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.model("a", [Act("now")]).signature = Signature(None, (TensorSpec("score"),))
        at.pipeline("p", CHAIN)
        at.alone("a")
        for port in ("p.step.a.outputs", "a.outputs"):
            with pytest.raises(NotFoundError) as caught:
                at.desk.tap(f"{port}.scor", everything=False, state=None, most=0)
            said = f"'{port}' holds no tensor 'scor'; did you mean 'score'?"
            assert caught.value.message == said
        for port in ("p.outputs.any", "p.inputs.any", "a.inputs.any", "p.step.b.inputs.score"):
            at.desk.tap(port, everything=False, state=None, most=0)
        with pytest.raises(NotFoundError, match="holds no tensor 'z'; it holds score"):
            at.desk.tap("p.step.b.inputs.z", everything=False, state=None, most=0)

    in_virtual_time(main)


@pytest.mark.parametrize("followed", [False, True])
def test_a_model_that_is_called_on_its_own(followed: bool) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        if followed:
            at.follow_with(Everybody())
        at.model("a", [Act("now"), Act("fails")])
        at.alone("a")
        told: list[Tapped] = []
        reading = follow(at, "a", told, everything=True)
        answers: list[Tapped] = []
        failures = follow(at, "a", answers, state="failed")
        await asyncio.sleep(0)
        for _ in range(2):
            Caller(at).send("a")
            await at.gateway.drain()
        await asyncio.sleep(0)
        seen = [each.document for each in told[1:]]
        assert [(each["port"], each["state"]) for each in seen] == [
            ("a.inputs", "value"),
            ("a.outputs", "value"),
            ("a.inputs", "value"),
            ("a.outputs", "failed"),
        ]
        assert {each["model"] for each in seen} == {"a"}
        assert [each.kind for each in answers] == ["open", "record"]
        for task in (reading, failures):
            task.cancel()
        await asyncio.gather(reading, failures, return_exceptions=True)
        target = at.gateway.resolve("a")
        assert not target.deployment.plan.emits  # type: ignore[attr-defined]  # a served target
        again = follow(at, "a.model", [])
        await asyncio.sleep(0)
        at.gateway.remove("model", "a")
        with pytest.raises(NotFoundError, match="model 'a' was deleted"):
            await again

    in_virtual_time(main)


def test_a_name_of_both_kinds_is_the_pipelines_unless_it_says_which() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.alone("a")
        at.pipeline("a", {"steps": [{"name": "s", "model": "a"}], "output": {"steps": ["s"]}})
        pipelines: list[Tapped] = []
        models: list[Tapped] = []
        tasks = [follow(at, "a", pipelines), follow(at, "a.model", models)]
        await asyncio.sleep(0)
        Caller(at).send("a.model")
        Caller(at).send("a.pipeline")
        await at.gateway.drain()
        await asyncio.sleep(0)
        assert [each.document.get("pipeline") for each in pipelines] == ["a", "a"]
        assert [each.document.get("model") for each in models] == ["a", "a"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    in_virtual_time(main)


def test_taps_are_bounded_and_places_come_back() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.pipeline("p", CHAIN)
        taps = [Tap(wanted("p")) for _ in range(MOST_TAPS)]
        for tap in taps:
            at.gateway.follow(tap)
        with pytest.raises(OverloadedError, match="100 taps are open"):
            at.gateway.follow(Tap(wanted("p")))
        at.gateway.unfollow(taps[0])
        at.gateway.unfollow(taps[0])
        at.gateway.follow(Tap(wanted("p")))

    in_virtual_time(main)


def test_what_is_only_followed_is_not_remembered() -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        at.model("a", [Act("fails", 1.0), Act("now")])
        steps = [{"name": "a", "retries": 1}]
        at.pipeline("p", {"steps": steps, "output": {"steps": ["a"]}}, record="boundary")
        reading = follow(at, "p.step.a", [])
        await asyncio.sleep(0)
        caller = Caller(at)
        caller.send("p")
        await at.gateway.drain()
        assert caller.ticket is not None
        story = at.desk.story(caller.ticket.identity)
        assert (story.outcome, story.attempts, len(story.records)) == ("ok", [], 2)
        reading.cancel()

    in_virtual_time(main)


@pytest.mark.parametrize("kept", ["none", "boundary", "all"])
def test_requests_that_are_followed_otherwise_come_by_as_well(kept: Any) -> None:
    async def main(clock: VirtualClock) -> None:
        at = world(clock)
        everybody = Everybody()
        at.follow_with(everybody)
        at.model("a", [Act("fails", 1.0), Act("now")])
        steps = [{"name": "a", "retries": 1}, {"name": "b", "inputs": ["a"]}]
        at.pipeline("p", {"steps": steps, "output": {"steps": ["b"]}}, record=kept)
        told: list[Tapped] = []
        reading = follow(at, "p.step.a.inputs", told)
        await asyncio.sleep(0)
        caller = Caller(at)
        caller.send("p")
        await at.gateway.drain()
        await asyncio.sleep(0)
        assert [each.kind for each in told] == ["open", "record"]
        assert [note[0] for note in everybody.notes] == [
            "called", "retried", "ended", "called", "ended", "answered", "closed",
        ]  # fmt: skip
        if kept != "none":
            assert caller.ticket is not None
            story = at.desk.story(caller.ticket.identity)
            ports = [str(each.port) for each in story.records]
            inner = ["a.inputs", "a.outputs", "b.inputs", "b.outputs"] if kept == "all" else []
            assert ports == ["inputs", *inner, "outputs"]
            assert len(story.attempts) == (kept == "all")
        reading.cancel()

    in_virtual_time(main)
