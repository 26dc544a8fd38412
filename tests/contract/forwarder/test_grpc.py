"""gRPC: which way calls go, what is passed on, and what is tried elsewhere."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

import grpc
import pytest

from harness.arm_outcomes import COUNTED_AS
from harness.forwarder_rig import ForwarderRig, arm_ways, one_way, started_forwarder, until
from harness.scripted_grpc import ScriptedGrpc, grpc_destination, scripted_grpcs
from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Copied,
    HealthChecks,
    Policy,
    Share,
    Way,
)
from penstock.core.errors import NoOutputError, error_of
from penstock.core.grpc_errors import error_of_call
from penstock.proto.open_inference_pb2 import ModelInferRequest, ModelReadyRequest

SERVICE = "/inference.GRPCInferenceService/"
INFER = f"{SERVICE}ModelInfer"
READY = f"{SERVICE}ModelReady"
STREAM = f"{SERVICE}ModelStreamInfer"
NO_CHECKS = HealthChecks(interval_ms=60_000.0, unhealthy_after=100)

Metadata = tuple[tuple[str, str], ...]


class Answered(NamedTuple):
    """An answer, with what came before and after it."""

    name: str
    bytes: int
    initial: dict[str, Any]
    trailing: dict[str, Any]


class GrpcCaller:
    """Calls over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    async def ask(
        self,
        message: bytes,
        metadata: Metadata = (),
        method: str = INFER,
        timeout_s: float | None = 10.0,
    ) -> Answered:
        """One message each way; raises AioRpcError."""
        call = self.channel.unary_unary(method, None, None)(
            message, metadata=metadata, timeout=timeout_s
        )
        answer: bytes = await call
        initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
        said = json.loads(answer)
        return Answered(said["name"], said["bytes"], dict(initial), dict(trailing))

    async def who(self, name: str, metadata: Metadata = ()) -> str:
        """The server that answers."""
        return (await self.ask(infer(name), metadata)).name


@asynccontextmanager
async def grpc_rig(
    kind: str, policy: Policy | None = None, **destinations: list[ScriptedGrpc]
) -> AsyncIterator[tuple[ForwarderRig, GrpcCaller]]:
    """A forwarder with a way to each destination, and somebody who calls it."""
    async with started_forwarder(kind, policy) as rig:
        await rig.forwarder.apply(
            Change(
                {name: grpc_destination(servers) for name, servers in destinations.items()},
                {name: one_way(name) for name in destinations if name != GATEWAYS},
            )
        )
        async with grpc.aio.insecure_channel(rig.grpc) as channel:
            yield rig, GrpcCaller(channel)


def infer(name: str, contents: bytes = b"") -> bytes:
    """A request for a model."""
    return ModelInferRequest(model_name=name, raw_input_contents=[contents]).SerializeToString()


async def test_names_find_their_way_and_all_else_goes_to_gateways(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("m", "g") as (model, gateway),
        grpc_rig(forwarder_kind, m=[model], gateways=[gateway]) as (_, caller),
    ):
        # Who does not read messages sends them to gateways, which is as right.
        assert await caller.who("m") in ("m", "g")
        assert await caller.who("other", (("seldon-model", "m"),)) == "m"
        assert await caller.who("other", (("penstock-target", "m"),)) == "m"
        assert await caller.who("m", (("penstock-target", "other"),)) == "g"
        assert await caller.who("other") == "g"
        answer = await caller.ask(b"", method="/some.Service/Some")
        assert answer.name == "g"


async def test_metadata_are_passed_on_both_ways(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("g") as (gateway,),
        grpc_rig(forwarder_kind, gateways=[gateway]) as (_, caller),
    ):
        metadata = (("x-request-id", "of-mine"), ("x-more", "1"))
        answer = await caller.ask(infer("m", b"x" * 300_000), metadata, timeout_s=7.0)
        assert answer.bytes > 300_000
        assert answer.initial["x-initial"] == "g"
        assert answer.trailing["x-trailing"] == "g"
        [called] = gateway.called
        assert called.metadata["x-request-id"] == "of-mine"
        assert called.metadata["x-more"] == "1"
        assert called.time_left_s is not None
        assert called.time_left_s < 8.0  # on its way a deadline is rounded up


async def test_errors_come_as_they_were_raised(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("g") as (gateway,),
        grpc_rig(forwarder_kind, gateways=[gateway]) as (_, caller),
    ):
        gateway.script.error = NoOutputError("it ended absent", details=["a: skipped"])
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await caller.ask(infer("m"))
        error = error_of_call(failed.value, "the proxy")
        assert (error.code, error.message) == ("no-output", "it ended absent")
        assert error.details == ("a: skipped",)


async def test_streams_are_passed_on_message_by_message(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("g") as (gateway,),
        grpc_rig(forwarder_kind, gateways=[gateway]) as (_, caller),
    ):
        call = caller.channel.stream_stream(STREAM, None, None)(None, timeout=10.0)
        for number in range(3):
            await call.write(b"%d" % number)
            assert await call.read() == b"echo %d" % number
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF  # type: ignore[attr-defined]  # not in the stubs
        assert dict(await call.trailing_metadata())["x-trailing"] == "g"


async def test_shares_are_told_and_taken_again_and_counted(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("a", "b", "g") as (a, b, gateway),
        grpc_rig(forwarder_kind, gateways=[gateway]) as (rig, caller),
    ):
        shares = (
            Share("a", 1.0, "a.model", "a", ":e.a:"),
            Share("b", 1.0, "b.model", "b", ":e.b:"),
        )
        destinations = {"a": grpc_destination([a]), "b": grpc_destination([b], "4")}
        way = Way(shares, experiment="e", version=2)
        await rig.forwarder.apply(Change(destinations, {"x": way}))
        named = (("seldon-model", "x"),)
        answers = [await caller.ask(infer("x"), named) for _ in range(40)]
        went = Counter(answer.name for answer in answers)
        assert set(went) == {"a", "b"}
        assert all(each.initial["x-seldon-route"] == f":e.{each.name}:" for each in answers)
        assert b.called[0].metadata["penstock-target"] == "b.model"
        assert b.called[0].metadata["penstock-version"] == "4"
        again = (*named, ("penstock-route", ":e.b:"))
        assert {await caller.who("x", again) for _ in range(10)} == {"b"}
        await until(lambda: len(rig.counted) == 50)
        assert {(each.experiment, each.version, each.failed) for each in rig.counted} == {
            ("e", 2, False)
        }


async def test_an_arm_is_counted_by_whose_fault_it_is(forwarder_kind: str) -> None:
    counted = {code: fault for code, fault in COUNTED_AS.items() if fault is not None}
    async with (
        scripted_grpcs("a") as (a,),
        grpc_rig(forwarder_kind, Policy(health=NO_CHECKS), gateways=[a]) as (rig, caller),
    ):
        ways = arm_ways(COUNTED_AS, "a")
        await rig.forwarder.apply(Change({"a": grpc_destination([a])}, ways))
        for code in COUNTED_AS:
            a.script.error = None if code == "ok" else error_of(code, "so it is")
            with suppress(grpc.aio.AioRpcError):
                await caller.ask(infer("m"), (("seldon-model", code),))
        await until(lambda: len(rig.counted) >= len(counted))
        assert {each.arm: each.failed for each in rig.counted} == counted


async def test_copies_go_to_the_mirror(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("a", "mirror") as (a, mirror),
        grpc_rig(forwarder_kind, a=[a], mirror=[mirror]) as (rig, caller),
    ):
        way = Way((Share("a"),), Copied(Share("mirror"), 100.0))
        await rig.forwarder.apply(Change({}, {"m": way}))
        assert await caller.who("m", (("seldon-model", "m"),)) == "a"
        await asyncio.wait_for(mirror.arrived.wait(), 30.0)


async def test_who_is_away_is_passed_over(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("a", "b") as (a, b),
        grpc_rig(forwarder_kind, Policy(health=NO_CHECKS), gateways=[a, b]) as (_, caller),
    ):
        await a.kill()
        assert {await caller.who("m") for _ in range(12)} == {"b"}
        answer = await caller.ask(b"", method="/some.Service/Some")
        assert answer.name == "b"


async def test_who_has_died_costs_what_was_under_way(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("a", "b") as (a, b),
        grpc_rig(forwarder_kind, Policy(health=NO_CHECKS), gateways=[a, b]) as (_, caller),
    ):
        a.script.hangs = True
        asking = [asyncio.create_task(caller.who("m")) for _ in range(20)]
        await until(lambda: len(a.called) + len(b.called) == 20)
        await a.kill()
        ended = await asyncio.gather(*asking, return_exceptions=True)
        lost = [each for each in ended if isinstance(each, grpc.aio.AioRpcError)]
        assert len(lost) == len(a.called) > 0
        assert {error.code() for error in lost} <= {
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.CANCELLED,
        }


async def test_nobody_at_all_is_said_so(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("a") as (a,),
        grpc_rig(forwarder_kind, Policy(health=NO_CHECKS), gateways=[a]) as (_, caller),
    ):
        await a.kill()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await caller.who("m")
        assert error_of_call(failed.value, "the proxy").code == "lost"


async def test_the_deadline_of_the_policy_is_for_who_names_none(forwarder_kind: str) -> None:
    policy = Policy(timeout_ms=200.0, health=NO_CHECKS)
    async with (
        scripted_grpcs("a") as (a,),
        grpc_rig(forwarder_kind, policy, gateways=[a]) as (_, caller),
    ):
        a.script.hangs = True
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await caller.ask(infer("m"), timeout_s=None)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert error_of_call(failed.value, "the proxy").code == "deadline"


async def test_a_caller_that_goes_away_is_missed_at_once(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("a") as (a,),
        grpc_rig(forwarder_kind, gateways=[a]) as (rig, caller),
    ):
        a.script.hangs = True
        # Without a deadline of its own, which would end it as well.
        asking = asyncio.create_task(caller.ask(infer("m"), timeout_s=None))
        await a.arrived.wait()
        asking.cancel()
        await asyncio.wait_for(a.cancelled.wait(), 30.0)
        await until(lambda: not rig.forwarder.in_use("gateways"))


async def test_a_version_in_the_message_is_for_who_has_it(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("m", "g") as (model, gateway),
        grpc_rig(forwarder_kind, gateways=[gateway]) as (rig, caller),
    ):
        await rig.forwarder.apply(
            Change({"m@2": grpc_destination([model], "2")}, {"m": one_way("m@2")})
        )
        named = (("seldon-model", "m"),)
        request = ModelReadyRequest(name="m").SerializeToString()
        assert (await caller.ask(request, named, READY)).name == "m"
        other = (*named, ("penstock-version", "1"))
        assert (await caller.ask(request, other, READY)).name == "g"


async def test_draining_answers_what_is_under_way(forwarder_kind: str) -> None:
    async with (
        scripted_grpcs("a") as (a,),
        grpc_rig(forwarder_kind, gateways=[a]) as (rig, caller),
    ):
        a.script.hangs = True
        asking = asyncio.create_task(caller.who("m"))
        await a.arrived.wait()
        draining = asyncio.create_task(rig.forwarder.drain())
        await asyncio.sleep(0.05)
        assert not draining.done()
        a.script.goes_on.set()
        assert await asking == "a"
        await asyncio.wait_for(draining, 10.0)


async def test_a_hedged_request_is_answered_by_the_quicker_one(forwarder_kind: str) -> None:
    policy = Policy(hedge_after_ms=60.0, health=NO_CHECKS)
    async with (
        scripted_grpcs("a", "b") as (a, b),
        grpc_rig(forwarder_kind, policy, gateways=[a, b]) as (_, caller),
    ):
        a.script.hangs = True
        answers = await asyncio.gather(*(caller.who("m") for _ in range(8)))
        assert set(answers) == {"b"}
        assert a.called


async def test_with_all_bounds_reached_the_request_is_too_much(forwarder_kind: str) -> None:
    policy = Policy(in_flight=1, health=NO_CHECKS)
    async with (
        scripted_grpcs("a") as (a,),
        grpc_rig(forwarder_kind, policy, gateways=[a]) as (_, caller),
    ):
        a.script.hangs = True
        asking = asyncio.create_task(caller.who("m"))
        await a.arrived.wait()
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await caller.who("m")
        assert error_of_call(failed.value, "the proxy").code == "overloaded"
        a.script.goes_on.set()
        assert await asking == "a"
