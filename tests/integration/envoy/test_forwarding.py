"""A real Envoy forwards as it is told."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial

import aiohttp
import grpc
import pytest
from aiohttp import web

from integration.envoy.endpoints import ScriptedEndpoint
from integration.envoy.stage import POLICY, Stage, until
from penstock.core.contracts.forwarder import (
    Change,
    Copied,
    Destination,
    Endpoint,
    ForwarderContext,
    Outliers,
    Policy,
    Share,
    Way,
)
from penstock.core.grpc_errors import error_of_call
from penstock.transports.envoy.leaving import HELD_UP_MS


async def test_names_go_their_ways_and_all_else_to_the_gateways(stage: Stage) -> None:
    await stage.start()
    await stage.apply(
        Change(
            {"m/2": stage.at("a", version="2"), "n/1": stage.at("b")},
            {"m": Way((Share("m/2"),)), "m.model": Way((Share("m/2"),)), "n": Way((Share("n/1"),))},
        )
    )
    status, _, body = await stage.infer("/v2/models/m/infer?x=1")
    assert (status, body["who"], body["path"]) == (200, "a", "/v2/models/m/infer?x=1")
    headers = body["headers"]
    assert isinstance(headers, dict)
    assert headers["penstock-version"] == "2"
    assert not [name for name in headers if name.startswith(("x-penstock", "x-envoy"))]
    assert await stage.who("/v2/models/m.model/ready") == "a"
    assert await stage.who("/v2/models/n") == "b"
    assert await stage.who("/v2/models/n/infer", seldon_model="m") == "a"
    assert await stage.who("/v2/models/other/infer", penstock_target="n") == "b"
    for path in ("/v2/models/zz/infer", "/v2/pipelines/m/infer", "/v2/health/ready", "/console"):
        assert await stage.who(path) == "gateway"
    assert await stage.call(seldon_model="m") == b"a:x"
    assert stage.endpoints["a"].metadata[-1]["penstock-version"] == "2"
    assert await stage.call(penstock_target="n") == b"b:x"
    assert await stage.call() == b"gateway:x"
    await stage.apply(Change({"n/1": None}, {"n": None}))
    assert await stage.who("/v2/models/n") == "gateway"


async def test_callers_cannot_say_what_only_we_may(stage: Stage) -> None:
    await stage.start()
    await stage.apply(Change({"m/1": stage.at("a")}, {"m": Way((Share("m/1"),))}))
    said = {
        "x-penstock-way": "m",
        "x-penstock-cluster": "rest.c1",
        "x-penstock-arm": "e 1 a",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-request-id": "mine",
    }
    _, _, body = await stage.ask("/v2/models/zz", said)
    assert body["who"] == "gateway"
    headers = body["headers"]
    assert isinstance(headers, dict)
    assert headers["x-request-id"] == "mine"
    assert not [name for name in headers if name.startswith(("x-penstock", "x-envoy"))]
    await asyncio.sleep(0.3)
    assert stage.counted == []


async def test_experiments_split_and_are_counted(stage: Stage) -> None:
    await stage.start()
    way = Way(
        (
            Share("a/1", 3.0, "one", "left", ":left:"),
            Share("b/1", 1.0, "two", "right", ":right:"),
        ),
        experiment="trial",
        version=4,
    )
    await stage.apply(
        Change({"a/1": stage.at("a"), "b/1": stage.at("b", version="7")}, {"e.experiment": way})
    )
    path = "/v2/models/e.experiment/infer"
    began_s = time.monotonic()
    answers = [await stage.infer(path) for _ in range(100)]
    ways = Counter((body["who"], headers["x-seldon-route"]) for _, headers, body in answers)
    assert ways.keys() == {("a", ":left:"), ("b", ":right:")}
    assert 50 <= ways["a", ":left:"] <= 95
    for _, headers, body in answers:
        sent = body["headers"]
        assert isinstance(sent, dict)
        assert headers["penstock-route"] == headers["x-seldon-route"]
        assert sent["penstock-target"] == ("one" if body["who"] == "a" else "two")
        assert sent.get("penstock-version") == (None if body["who"] == "a" else "7")
    await until(lambda: len(stage.counted) >= 100)
    arms = Counter((each.experiment, each.version, each.arm, each.failed) for each in stage.counted)
    assert arms == {
        ("trial", 4, "left", False): ways["a", ":left:"],
        ("trial", 4, "right", False): ways["b", ":right:"],
    }
    took_ms = (time.monotonic() - began_s) * 1000.0
    assert all(0.0 < each.latency_ms < took_ms for each in stage.counted)


async def test_who_says_the_way_goes_it_again(stage: Stage) -> None:
    await stage.start()
    shares = Share("a/1", arm="l", trail=":l:"), Share("b/1", 0.0, arm="r", trail=":r:")
    way = Way(shares, experiment="e", version=1)
    await stage.apply(Change({"a/1": stage.at("a"), "b/1": stage.at("b")}, {"x": way}))
    for headers in (
        {"x_seldon_route": ":r:"},
        {"penstock_route": ":r:"},
        {"cookie": "other=1; penstock-route=:r:"},
    ):
        assert await stage.who("/v2/models/x", **headers) == "b"
    assert await stage.call(seldon_model="x", x_seldon_route=":r:") == b"b:x"
    assert {await stage.who("/v2/models/x") for _ in range(8)} == {"a"}
    # A way that is not there is chosen anew, or refused by a gateway where the caller wants that.
    assert await stage.who("/v2/models/x", x_seldon_route=":gone:") == "a"
    strict = {"x_seldon_route": ":gone:", "x_penstock_route_strict": "true"}
    assert await stage.who("/v2/models/x", **strict) == "gateway"


async def test_failures_of_an_arm_are_counted(stage: Stage) -> None:
    await stage.start()
    stage.endpoints["a"].script = stage.endpoints["a"].fail
    way = Way((Share("a/1", arm="only", trail=":only:"),), experiment="e", version=1)
    await stage.apply(Change({"a/1": stage.at("a")}, {"x": way}))
    assert (await stage.infer("/v2/models/x/infer"))[0] == 500
    await until(lambda: bool(stage.counted))
    assert [each.failed for each in stage.counted] == [True]


async def test_requests_are_copied(stage: Stage) -> None:
    await stage.start()
    way = Way((Share("a/1"),), Copied(Share("b/1", target="shadow"), 100.0))
    await stage.apply(Change({"a/1": stage.at("a"), "b/1": stage.at("b")}, {"x": way}))
    assert await stage.who("/v2/models/x/infer") == "a"
    await until(lambda: bool(stage.endpoints["b"].seen))
    assert stage.endpoints["b"].seen[0].headers["penstock-target"] == "shadow"


async def test_errors_of_its_own_have_our_form(stage: Stage) -> None:
    await stage.start_alone(ForwarderContext("127.0.0.1", 0, 0, POLICY, max_request_bytes=1000))
    status, headers, body = await stage.ask("/v2/models/x", {"x-request-id": "r1"})
    assert (status, body["code"], body["request_id"]) == (503, "not-ready", "r1")
    assert headers["content-type"] == "application/json"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stage.call(seldon_model="x")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    error = error_of_call(caught.value, "the forwarder")
    assert (error.code, error.message) == ("not-ready", caught.value.details())
    status, _, body = await stage.ask("/v2/models/x/infer", method="POST", body=b"x" * 1001)
    assert (status, body["code"]) == (413, "too-large")


async def test_deadlines_end_what_takes_too_long(stage: Stage) -> None:
    await stage.start()
    stage.endpoints["a"].script = stage.endpoints["a"].hang
    await stage.apply(Change({"a/1": stage.at("a")}, {"x": Way((Share("a/1"),))}))
    status, _, body = await stage.infer("/v2/models/x/infer", {"x-penstock-timeout-ms": "1000"})
    assert (status, body["code"]) == (504, "deadline")
    await until(lambda: bool(stage.endpoints["a"].seen))
    assert stage.endpoints["a"].seen[0].headers["x-penstock-timeout-ms"] == "1000"


async def test_who_refuses_connections_is_passed_over(stage: Stage) -> None:
    await stage.start(Policy(retries=2))
    dead = Endpoint("dead", "http://127.0.0.1:9", "grpc://127.0.0.1:9")
    both = Destination((dead, stage.endpoints["a"].endpoint))
    await stage.apply(Change({"x/1": both}, {"x": Way((Share("x/1"),))}))
    assert {await stage.who("/v2/models/x/infer") for _ in range(20)} == {"a"}
    await until(
        lambda: (
            {e.endpoint.name: e.health for e in stage.forwarder.status().endpoints}
            == {"gateway": "healthy", "dead": "unhealthy", "a": "healthy"}
        )
    )


async def test_who_keeps_failing_is_ejected(stage: Stage) -> None:
    await stage.start(Policy(outliers=Outliers(failures=3), health=POLICY.health))
    failing = stage.endpoints["a"]
    failing.script = failing.fail
    await stage.apply(Change({"x/1": stage.at("a", "b")}, {"x": Way((Share("x/1"),))}))
    for _ in range(64):  # which is asked is chance
        if len(failing.seen) == 3:
            break
        await stage.infer("/v2/models/x/infer")
    await until(  # Envoy counts where it forwards, and ejects from its main thread
        lambda: (
            ("a", "ejected")
            in {(e.endpoint.name, e.health) for e in stage.forwarder.status().endpoints}
        )
    )
    assert {await stage.who("/v2/models/x/infer") for _ in range(20)} == {"b"}
    assert len(failing.seen) == 3


async def test_a_slow_answer_is_asked_for_elsewhere(stage: Stage) -> None:
    await stage.start(Policy(hedge_after_ms=50.0))
    stage.endpoints["a"].script = stage.endpoints["a"].hang
    await stage.apply(Change({"x/1": stage.at("a", "b")}, {"x": Way((Share("x/1"),))}))
    for _ in range(64):  # which is asked first is chance
        _, _, body = await stage.infer("/v2/models/x/infer")
        assert body["who"] == "b"
        if stage.endpoints["a"].seen:
            return
    pytest.fail("the slow one was never asked")


async def test_the_same_header_is_answered_by_the_same_endpoint(stage: Stage) -> None:
    await stage.start(Policy(balancer="consistent-hash(x-user)"))
    await stage.apply(Change({"x/1": stage.at("a", "b", "c")}, {"x": Way((Share("x/1"),))}))
    users = {}
    for user in range(20):
        found = {await stage.who("/v2/models/x", x_user=str(user)) for _ in range(3)}
        assert len(found) == 1
        users[user] = found.pop()
    assert len(set(users.values())) > 1


async def test_a_destination_is_in_use_until_its_last_request_has_ended(stage: Stage) -> None:
    await stage.start()
    held = asyncio.Event()

    async def wait(request: aiohttp.web.Request) -> aiohttp.web.StreamResponse:
        await held.wait()
        return await stage.endpoints["a"].tell(request)

    stage.endpoints["a"].script = wait
    await stage.apply(
        Change({"x/1": stage.at("a"), "x/2": stage.at("b")}, {"x": Way((Share("x/1"),))})
    )
    under_way = asyncio.create_task(stage.who("/v2/models/x/infer"))
    await until(lambda: bool(stage.endpoints["a"].seen))
    await stage.apply(Change({"x/1": None}, {"x": Way((Share("x/2"),))}))
    assert await stage.who("/v2/models/x/infer") == "b"
    await asyncio.sleep(0.2)
    assert stage.forwarder.in_use("x/1")
    held.set()
    assert await under_way == "a"
    await until(lambda: not stage.forwarder.in_use("x/1"))


async def test_who_is_left_waits_for_its_own_requests_alone(stage: Stage) -> None:
    await stage.start()
    held = asyncio.Event()
    for name in "ab":
        stage.endpoints[name].script = partial(slowly, stage.endpoints[name], held)
    both = stage.at("a", "b")
    ways = {name: Way((Share(f"{name}/1"),)) for name in "xy"}
    await stage.apply(Change({"x/1": both, "x/2": both, "y/1": both}, ways))
    async with asyncio.TaskGroup() as callers:
        stopped = asyncio.Event()
        tasks = [callers.create_task(load(stage, name, stopped)) for name in "xxyyy"]
        last = callers.create_task(stage.infer("/v2/models/x/infer", {"hold": "yes"}))
        await until(lambda: len(stage.endpoints["b"].seen) > 20)
        # Another version at the same endpoints, which others keep busy.
        await stage.apply(Change({}, {"x": Way((Share("x/2"),))}))
        await asyncio.sleep(1.5 * HELD_UP_MS / 1000.0)
        assert stage.forwarder.in_use("x/1")
        held.set()
        await until(lambda: not stage.forwarder.in_use("x/1"))
        # One of the endpoints stops.
        left = {"x/1": None, "x/3": stage.at("a", version="2"), "y/3": stage.at("a")}
        await stage.apply(Change(left, {n: Way((Share(f"{n}/3"),)) for n in "xy"}))
        await until(lambda: not any(map(stage.forwarder.in_use, ("x/2", "y/1"))))
        stage.endpoints["b"].script = stage.endpoints["b"].fail
        await asyncio.sleep(0.1)
        stopped.set()
    answers = sum((task.result() for task in tasks), Counter([last.result()[0]]))
    assert answers.keys() == {200}, answers
    assert answers.total() > 50


async def slowly(
    endpoint: ScriptedEndpoint, held: asyncio.Event, request: web.Request
) -> web.StreamResponse:
    """An answer after a while, or when it is no longer held."""
    await (held.wait() if "hold" in request.headers else asyncio.sleep(0.05))
    return await endpoint.tell(request)


async def load(stage: Stage, name: str, stopped: asyncio.Event) -> Counter[int]:
    """One request after another until it is stopped: how they ended."""
    answers: Counter[int] = Counter()
    while not stopped.is_set():
        status, _, _ = await stage.infer(f"/v2/models/{name}/infer")
        answers[status] += 1
    return answers
