"""Processes that are away, slow, broken or overloaded: what is tried elsewhere, what is said."""

from __future__ import annotations

import asyncio
from asyncio import IncompleteReadError

import pytest

from harness.forwarder_rig import ForwarderRig, started_forwarder, until
from harness.scripted_endpoint import scripted_endpoints
from penstock.core.contracts.forwarder import HealthChecks, Outliers, Policy

INFER = "/v2/models/m/infer"
ROUNDS = 20
"""Of requests, since it is by chance who is asked first."""

NO_CHECKS = HealthChecks(interval_ms=60_000.0, unhealthy_after=100)


def standing(rig: ForwarderRig) -> dict[str, str]:
    """The health of each endpoint, by its name."""
    return {each.endpoint.name: each.health for each in rig.forwarder.status().endpoints}


async def test_who_is_away_is_passed_over(forwarder_kind: str) -> None:
    policy = Policy(health=NO_CHECKS)
    async with (
        scripted_endpoints("a", "b") as (a, b),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(m=[a, b])
        a.kill()
        assert {await rig.who(INFER) for _ in range(12)} == {"b"}


async def test_who_has_died_under_load_costs_what_was_under_way_and_no_more(
    forwarder_kind: str,
) -> None:
    policy = Policy(health=NO_CHECKS)
    async with (
        scripted_endpoints("a", "b") as (a, b),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(m=[a, b])
        a.script.hangs = True
        asking = [asyncio.create_task(rig.ask(INFER)) for _ in range(20)]
        await until(lambda: len(a.asked) + len(b.asked) == 20)
        a.kill()
        answers = await asyncio.gather(*asking)
        lost = [answer for answer in answers if answer.status != 200]
        assert len(lost) == len(a.asked) > 0
        assert {(answer.status, answer.json["code"]) for answer in lost} == {(503, "lost")}
        assert "whether it was carried out is not known" in lost[0].json["error"]
        assert {await rig.who(INFER) for _ in range(12)} == {"b"}


async def test_what_only_asks_is_asked_elsewhere(forwarder_kind: str) -> None:
    policy = Policy(health=NO_CHECKS)
    async with (
        scripted_endpoints("a", "b") as (a, b),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(m=[a, b])
        a.script.dies_after = 0
        a.script.status = 200
        answers = [await rig.ask("/v2/models/m/ready", None, None, "HEAD") for _ in range(3)]
        assert {answer.status for answer in answers} == {200}
        a.script.hangs = True
        asking = [
            asyncio.create_task(rig.ask("/v2/models/m/ready", None, None, "GET")) for _ in range(8)
        ]
        await until(lambda: any(each.method == "GET" for each in a.asked))
        await asyncio.sleep(0.1)
        a.kill()
        assert {answer.json["name"] for answer in await asyncio.gather(*asking)} == {"b"}


async def test_nobody_at_all_is_said_so(forwarder_kind: str) -> None:
    policy = Policy(health=NO_CHECKS)
    async with (
        scripted_endpoints("a") as (a,),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(m=[a])
        a.kill()
        answer = await rig.ask(INFER)
        assert (answer.status, answer.json["code"]) == (503, "lost")


async def test_who_is_unhealthy_is_left_alone_until_it_is_well(forwarder_kind: str) -> None:
    checks = HealthChecks(interval_ms=50.0, timeout_ms=200.0, unhealthy_after=2)
    async with (
        scripted_endpoints("a", "b") as (a, b),
        started_forwarder(forwarder_kind, Policy(health=checks)) as rig,
    ):
        await rig.serve(m=[a, b])
        await until(lambda: standing(rig) == {"a": "healthy", "b": "healthy"})
        a.script.live = False
        await until(lambda: standing(rig) == {"a": "unhealthy", "b": "healthy"})
        assert {await rig.who(INFER) for _ in range(12)} == {"b"}
        why = [each.why for each in rig.forwarder.status().endpoints if each.health == "unhealthy"]
        assert why != [""]
        b.script.live = False
        await until(lambda: standing(rig) == {"a": "unhealthy", "b": "unhealthy"})
        assert await rig.who(INFER) in ("a", "b")
        a.script.live = b.script.live = True
        await until(lambda: standing(rig) == {"a": "healthy", "b": "healthy"})
        assert {await rig.who(INFER) for _ in range(24)} == {"a", "b"}


async def test_who_hangs_is_unhealthy(forwarder_kind: str) -> None:
    checks = HealthChecks(interval_ms=50.0, timeout_ms=50.0, unhealthy_after=2)
    async with (
        scripted_endpoints("a") as (a,),
        started_forwarder(forwarder_kind, Policy(health=checks)) as rig,
    ):
        a.script.hangs = True
        await rig.serve(m=[a])
        await until(lambda: standing(rig) == {"a": "unhealthy"})


async def test_who_fails_on_and_on_is_ejected(forwarder_kind: str) -> None:
    policy = Policy(health=NO_CHECKS, outliers=Outliers(failures=3, eject_ms=60_000.0))
    async with (
        scripted_endpoints("a", "b") as (a, b),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(m=[a, b])
        a.script.status = 500
        for _ in range(64):  # which is asked is chance
            if len(a.asked) == 3:
                break
            await rig.ask(INFER)
        # Who counts where it forwards may eject from another thread.
        await until(lambda: standing(rig)["a"] == "ejected")
        assert {await rig.who(INFER) for _ in range(20)} == {"b"}
        assert len(a.asked) == 3


async def test_who_was_ejected_comes_back(forwarder_kind: str) -> None:
    policy = Policy(health=NO_CHECKS, outliers=Outliers(failures=3, eject_ms=400.0))
    async with (
        scripted_endpoints("a", "b") as (a, b),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(m=[a, b])
        a.script.status = 500
        async with asyncio.timeout(30.0):
            # Asked on meanwhile: an ejection may be over before anybody looks.
            while standing(rig)["a"] != "ejected":
                await rig.ask(INFER)
            a.script.status = 200
            await until(lambda: standing(rig)["a"] != "ejected")
            while {await rig.who(INFER) for _ in range(20)} != {"a", "b"}:
                pass


async def test_the_deadline_of_the_caller_ends_the_wait(forwarder_kind: str) -> None:
    async with scripted_endpoints("a") as (a,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(m=[a])
        a.script.hangs = True
        answer = await rig.ask(INFER, headers={"x-penstock-timeout-ms": "1000"})
        assert (answer.status, answer.json["code"]) == (504, "deadline")
        await until(lambda: bool(a.asked))
        assert a.asked[0].headers["x-penstock-timeout-ms"] == "1000"


async def test_the_deadline_of_the_policy_is_for_who_names_none(forwarder_kind: str) -> None:
    policy = Policy(timeout_ms=150.0)
    async with (
        scripted_endpoints("a") as (a,),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(m=[a])
        a.script.hangs = True
        answer = await rig.ask(INFER)
        assert (answer.status, answer.json["code"]) == (504, "deadline")


async def test_with_all_bounds_reached_the_request_is_too_much(forwarder_kind: str) -> None:
    policy = Policy(in_flight=2)
    async with (
        scripted_endpoints("a", "b") as (a, b),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(m=[a, b])
        a.script.hangs = b.script.hangs = True
        asking = [asyncio.create_task(rig.ask(INFER)) for _ in range(4)]
        # Whether the bound is each process's or that of all together.
        await until(lambda: len(a.asked) + len(b.asked) == 4)
        answer = await rig.ask(INFER)
        assert (answer.status, answer.json["code"]) == (429, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        a.script.goes_on.set()
        b.script.goes_on.set()
        assert {each.status for each in await asyncio.gather(*asking)} == {200}


async def test_a_hedged_request_is_answered_by_the_quicker_one(forwarder_kind: str) -> None:
    policy = Policy(hedge_after_ms=60.0)
    async with (
        scripted_endpoints("a", "b") as (a, b),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(m=[a, b])
        a.script.hangs = True
        for _ in range(ROUNDS):
            answers = await asyncio.gather(*(rig.who(INFER) for _ in range(8)))
            assert set(answers) == {"b"}
            if a.asked:
                return
        pytest.fail(f"it was not asked in any of {ROUNDS} rounds")


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_that_breaks_off_never_looks_whole(
    forwarder_kind: str, chunked: bool
) -> None:
    async with scripted_endpoints("a") as (a,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(m=[a])
        a.script.dies_after, a.script.chunked = 20, chunked
        with pytest.raises((IncompleteReadError, ConnectionResetError)):
            await rig.ask(INFER)


async def test_failures_behind_a_gateway_are_not_its_own(forwarder_kind: str) -> None:
    policy = Policy(health=NO_CHECKS, outliers=Outliers(failures=2))
    async with (
        scripted_endpoints("a", "b") as (a, b),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(gateways=[a, b])
        a.script.status = b.script.status = 500
        for _ in range(20):
            assert (await rig.ask(INFER)).status == 500
        assert "ejected" not in standing(rig).values()
