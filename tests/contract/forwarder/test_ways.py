"""Which way requests go: by name, by weight, by what the caller asks for; and what is copied."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from harness.arm_outcomes import COUNTED_AS
from harness.forwarder_rig import arm_ways, destination, one_way, started_forwarder, until
from harness.scripted_endpoint import scripted_endpoints
from penstock.core.contracts.forwarder import Change, Copied, HealthChecks, Policy, Share, Way
from penstock.core.statuses import http_status


async def test_before_the_first_change_nobody_is_ready(forwarder_kind: str) -> None:
    async with started_forwarder(forwarder_kind) as rig:
        answer = await rig.ask("/v2/models/m/infer")
        assert (answer.status, answer.json["code"]) == (503, "not-ready")


async def test_names_find_their_way_and_all_else_goes_to_gateways(forwarder_kind: str) -> None:
    async with (
        scripted_endpoints("m", "g") as (model, gateway),
        started_forwarder(forwarder_kind) as rig,
    ):
        await rig.serve(m=[model], gateways=[gateway])
        assert await rig.who("/v2/models/m/infer") == "m"
        assert await rig.who("/v2/models/m/ready") == "m"
        assert await rig.who("/v2/models/m") == "m"
        assert await rig.who("/v2/models/m/infer?x=1") == "m"
        assert await rig.who("/v2/models/other/infer", {"seldon-model": "m"}) == "m"
        assert await rig.who("/v2/models/other/infer", {"Penstock-Target": "m"}) == "m"
        assert await rig.who("/v2/models/m/infer", {"penstock-target": "other"}) == "g"
        assert await rig.who("/v2/models/other/infer") == "g"
        assert await rig.who("/v2/pipelines/m/infer") == "g"
        assert await rig.who("/v2/models/m/requests") == "g"
        assert await rig.who("/v1/models") == "g"


async def test_a_version_goes_along_and_another_one_is_for_gateways(forwarder_kind: str) -> None:
    async with (
        scripted_endpoints("m", "g") as (model, gateway),
        started_forwarder(forwarder_kind) as rig,
    ):
        await rig.serve(gateways=[gateway])
        await rig.forwarder.apply(
            Change({"m@2": destination([model], "2")}, {"m": Way((Share("m@2"),))})
        )
        answer = await rig.ask("/v2/models/m/infer")
        assert answer.json["headers"]["penstock-version"] == "2"
        assert await rig.who("/v2/models/m/versions/2/infer") == "m"
        assert await rig.who("/v2/models/m/versions/1/infer") == "g"


async def test_shares_get_what_they_weigh_and_callers_are_told(forwarder_kind: str) -> None:
    async with (
        scripted_endpoints("a", "b", "g") as (a, b, gateway),
        started_forwarder(forwarder_kind) as rig,
    ):
        shares = (
            Share("a", 3.0, "a.model", "a", ":e.a:"),
            Share("b", 1.0, "b.model", "b", ":e.b:"),
        )
        await rig.serve(gateways=[gateway])
        await rig.forwarder.apply(
            Change(
                {"a": destination([a]), "b": destination([b])},
                {"x": Way(shares, experiment="e", version=7)},
            )
        )
        answers = [await rig.ask("/v2/models/x/infer") for _ in range(120)]
        went = Counter(answer.json["name"] for answer in answers)
        assert 70 < went["a"] < 110
        for answer in answers:
            name = answer.json["name"]
            assert answer.json["headers"]["penstock-target"] == f"{name}.model"
            assert answer.headers["x-seldon-route"] == f":e.{name}:"
            assert answer.headers["penstock-route"] == f":e.{name}:"
        for headers in (
            {"x-seldon-route": ":e.b:"},
            {"penstock-route": ":e.b:"},
            {"Cookie": "other=1; penstock-route=:e.b:"},
        ):
            assert {await rig.who("/v2/models/x/infer", headers) for _ in range(12)} == {"b"}
        gone = {"x-seldon-route": ":e.c:"}
        assert await rig.who("/v2/models/x/infer", gone) in ("a", "b")
        strict = {**gone, "x-penstock-route-strict": "true"}
        assert await rig.who("/v2/models/x/infer", strict) == "g"
        await until(lambda: len(rig.counted) == 157)
        assert {(each.experiment, each.version, each.failed) for each in rig.counted} == {
            ("e", 7, False)
        }
        assert Counter(each.arm for each in rig.counted)["a"] >= went["a"]


async def test_an_arm_is_counted_by_whose_fault_it_is(forwarder_kind: str) -> None:
    counted = {code: fault for code, fault in COUNTED_AS.items() if fault is not None}
    async with scripted_endpoints("a") as (a,), started_forwarder(forwarder_kind) as rig:
        ways = arm_ways(COUNTED_AS, "a")
        await rig.forwarder.apply(Change({"a": destination([a])}, ways))
        for code in COUNTED_AS:
            a.script.status = 200 if code == "ok" else http_status(code)
            assert (await rig.ask(f"/v2/models/{code}/infer")).status == a.script.status
        await until(lambda: len(rig.counted) >= len(counted))
        assert {each.arm: each.failed for each in rig.counted} == counted


async def test_a_bound_of_the_forwarder_is_no_arms_fault(forwarder_kind: str) -> None:
    policy = Policy(in_flight=1, health=HealthChecks(interval_ms=60_000.0))
    async with scripted_endpoints("a") as (a,), started_forwarder(forwarder_kind, policy) as rig:
        await rig.forwarder.apply(Change({"a": destination([a])}, arm_ways("x", "a")))
        a.script.hangs = True
        asking = asyncio.create_task(rig.ask("/v2/models/x/infer"))
        await a.arrived.wait()
        assert (await rig.ask("/v2/models/x/infer")).status == http_status("overloaded")
        a.script.goes_on.set()
        assert (await asking).status == 200
        await until(lambda: len(rig.counted) > 0)
        assert [each.failed for each in rig.counted] == [False]


async def test_copies_go_to_the_mirror_and_their_answers_nowhere(forwarder_kind: str) -> None:
    async with (
        scripted_endpoints("a", "mirror") as (a, mirror),
        started_forwarder(forwarder_kind) as rig,
    ):
        mirror.script.status = 500
        way = Way((Share("a"),), Copied(Share("mirror", target="other.model"), 100.0))
        await rig.forwarder.apply(
            Change({"a": destination([a]), "mirror": destination([mirror])}, {"m": way})
        )
        for size in (2, 300_000):
            answer = await rig.ask("/v2/models/m/infer", b"x" * size)
            assert (answer.status, answer.json["name"]) == (200, "a")
            await asyncio.wait_for(mirror.arrived.wait(), 30.0)
            mirror.arrived.clear()
            assert len(mirror.asked[-1].body) == size
            assert mirror.asked[-1].headers["penstock-target"] == "other.model"


async def test_no_request_is_dropped_while_ways_change(forwarder_kind: str) -> None:
    async with (
        scripted_endpoints("a", "b", "g") as (a, b, gateway),
        started_forwarder(forwarder_kind) as rig,
    ):
        await rig.serve(gateways=[gateway])
        await rig.forwarder.apply(Change({"v0": destination([a])}, {"m": one_way("v0")}))
        going = True
        seen: Counter[str] = Counter()

        async def ask_on() -> None:
            while going:
                seen[await rig.who("/v2/models/m/infer")] += 1

        callers = [asyncio.create_task(ask_on()) for _ in range(4)]
        for turn in range(1, 21):
            server = b if turn % 2 else a
            await rig.forwarder.apply(
                Change(
                    {f"v{turn}": destination([server]), f"v{turn - 1}": None},
                    {"m": one_way(f"v{turn}")},
                )
            )
            server.arrived.clear()
            await asyncio.wait_for(server.arrived.wait(), 30.0)
        going = False
        await asyncio.gather(*callers)
        assert set(seen) == {"a", "b"}
        await until(lambda: not rig.forwarder.in_use("v19"))


async def test_what_is_under_way_keeps_its_destination_in_use(forwarder_kind: str) -> None:
    async with (
        scripted_endpoints("a", "g") as (a, gateway),
        started_forwarder(forwarder_kind) as rig,
    ):
        await rig.serve(gateways=[gateway], m=[a])
        a.script.hangs = True
        asking = asyncio.create_task(rig.who("/v2/models/m/infer"))
        await a.arrived.wait()
        await rig.forwarder.apply(Change({"m": None}, {"m": None}))
        assert rig.forwarder.in_use("m")
        assert await rig.who("/v2/models/m/infer") == "g"
        a.script.goes_on.set()
        assert await asking == "a"
        await until(lambda: not rig.forwarder.in_use("m"))


async def test_a_refused_change_leaves_what_was_and_comes_with_the_next(
    forwarder_kind: str,
) -> None:
    async with (
        scripted_endpoints("a", "g") as (a, gateway),
        started_forwarder(forwarder_kind) as rig,
    ):
        await rig.serve(gateways=[gateway])
        await rig.forwarder.apply(Change({}, {"m": one_way("missing"), "n": one_way("gateways")}))
        assert "missing" in rig.forwarder.status().refused
        assert await rig.who("/v2/models/m/infer") == "g"
        await rig.forwarder.apply(Change({"missing": destination([a])}))
        assert rig.forwarder.status().refused == ""
        assert await rig.who("/v2/models/m/infer") == "a"


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_methods_go_on_as_they_are(forwarder_kind: str, method: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        answer = await rig.ask("/v2/models/m", None, None, method)
        assert answer.status == 200
        assert gateway.asked[0].method == method
        assert int(answer.headers["content-length"]) > 0
