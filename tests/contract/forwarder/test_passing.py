"""How requests and answers are passed on: bodies, connections, limits."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from harness.forwarder_rig import started_forwarder, until
from harness.http_messages import http_request
from harness.http_stream import http_caller
from harness.scripted_endpoint import ScriptedEndpoint, scripted_endpoints
from penstock.core.contracts.forwarder import Policy

INFER = "/v2/models/m/infer"


async def test_what_belongs_to_a_connection_is_not_passed_on(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        answer = await rig.ask(
            INFER,
            headers={
                "Connection": "keep-alive, X-Secret",
                "X-Secret": "1",
                "X-Other": "2",
                "Upgrade": "h2c",
                "Keep-Alive": "1",
                "x-request-id": "of-mine",
            },
        )
        sent = answer.json["headers"]
        assert sent["x-other"] == "2"
        assert sent["x-request-id"] == "of-mine"
        assert not {"x-secret", "keep-alive", "upgrade"} & set(sent)
        assert answer.headers["x-from"] == "g"
        assert "keep-alive" not in answer.headers


async def test_connections_are_kept_on_both_sides(forwarder_kind: str) -> None:
    policy = Policy()
    async with (
        scripted_endpoints("g") as (gateway,),
        started_forwarder(forwarder_kind, policy) as rig,
    ):
        await rig.serve(gateways=[gateway])
        async with http_caller(rig.rest) as caller:
            for _ in range(5):
                assert (await caller.ask(INFER)).status == 200
        assert gateway.connections <= 3


async def test_requests_sent_ahead_are_answered_in_their_order(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        async with http_caller(rig.rest) as caller:
            requests = [http_request("POST", f"/v2/models/m{n}/infer", b"x" * n) for n in range(9)]
            caller.writer.write(b"".join(requests))
            for n in range(9):
                answer = await caller.answer()
                assert answer.json["path"] == f"/v2/models/m{n}/infer"
                assert answer.json["bytes"] == n


async def test_bodies_in_chunks_are_passed_on_both_ways(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        gateway.script.chunked = True
        async with http_caller(rig.rest) as caller:
            head = http_request("POST", INFER, b"", {"Transfer-Encoding": "chunked"})
            for _ in range(2):
                for piece in (head, b"3\r\nabc\r\n", b"2;x=1\r\nde\r", b"\n0\r\n", b"\r\n"):
                    caller.writer.write(piece)
                    await asyncio.sleep(0.005)
                answer = await caller.answer()
                assert answer.json["bytes"] == 5
                assert gateway.asked[-1].body == b"abcde"


async def test_large_bodies_are_passed_on_whole(forwarder_kind: str) -> None:
    body = bytes(range(256)) * 20_000
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        gateway.script.body = body[::-1]
        for chunked in (False, True):
            gateway.script.chunked = chunked
            answer = await rig.ask(INFER, body)
            assert gateway.asked[-1].body == body
            assert answer.body == body[::-1]


async def test_who_waits_to_be_asked_for_the_body_is_asked(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        async with http_caller(rig.rest) as caller:
            request = http_request("POST", INFER, b"abc", {"Expect": "100-continue"})
            caller.writer.write(request[:-3])
            assert (await caller.answer()).status == 100
            caller.writer.write(request[-3:])
            assert (await caller.answer()).json["bytes"] == 3


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"X-Long": "x" * 20_000}, b"{}", 413, "too-large"),
        ({}, b"x" * 2_000_000, 413, "too-large"),
        ({}, b"x" * 70_000, 413, "too-large"),
        ({"x-penstock-timeout-ms": "soon"}, b"{}", 400, "invalid-request"),
    ],
)
async def test_what_is_not_taken_in_is_refused_with_what_to_do(
    forwarder_kind: str, headers: dict[str, str], body: bytes, status: int, code: str
) -> None:
    async with (
        scripted_endpoints("g") as (gateway,),
        started_forwarder(forwarder_kind, max_request_bytes=65_536) as rig,
    ):
        await rig.serve(gateways=[gateway])
        answer = await rig.ask(INFER, body, headers)
        assert (answer.status, answer.json["code"]) == (status, code), answer
        assert gateway.asked == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n"
        b"content-length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nz\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_refused(forwarder_kind: str, request_bytes: bytes) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        async with http_caller(rig.rest) as caller:
            caller.writer.write(request_bytes)
            answer = await caller.answer()
            assert answer.status == 400
            assert await caller.reader.read() == b""
        assert gateway.asked == []


async def test_a_caller_that_goes_away_is_missed_at_once(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        gateway.script.hangs = True
        async with http_caller(rig.rest) as caller:
            caller.send(INFER)
            await gateway.arrived.wait()
            gateway.hung_up.clear()
        await asyncio.wait_for(gateway.hung_up.wait(), 30.0)
        await until(lambda: not rig.forwarder.in_use("gateways"))


async def test_draining_answers_what_is_under_way_and_tells_to_go(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        async with http_caller(rig.rest) as busy, http_caller(rig.rest) as idle:
            assert (await idle.ask(INFER)).status == 200
            gateway.script.hangs = True
            gateway.arrived.clear()
            busy.send(INFER)
            await gateway.arrived.wait()
            draining = asyncio.create_task(rig.forwarder.drain())
            gateway.script.hangs = False
            async with asyncio.timeout(30.0):
                # A forwarder that is a program hears of it a while after us.
                while (last := await idle.ask(INFER)).headers.get("connection") != "close":
                    assert last.status == 200
            assert last.status == 200
            assert not draining.done()
            gateway.script.goes_on.set()
            assert (await busy.answer()).status == 200
            await asyncio.wait_for(draining, 10.0)
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await rig.ask(INFER)


async def test_a_server_that_does_not_read_holds_the_caller_up(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        gateway.script.reads = False
        body = bytes(48 * 1024 * 1024)
        async with http_caller(rig.rest) as caller:
            caller.send(INFER, body)
            await gateway.arrived.wait()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(caller.writer.drain(), 0.5)
            gateway.script.goes_on.set()
            gateway.script.reads = True
            answer = await caller.answer()
            assert answer.json["bytes"] == len(body)
            assert (await caller.ask(INFER)).json["bytes"] == 2


async def test_a_caller_that_does_not_read_holds_the_server_up(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        gateway.script.body = bytes(48 * 1024 * 1024)
        async with http_caller(rig.rest) as caller:
            caller.send(INFER)
            await gateway.arrived.wait()
            await asyncio.sleep(0.5)
            assert not gateway.written.is_set()
            assert len((await caller.answer()).body) == len(gateway.script.body)
            gateway.script.body = None
            for _ in range(3):
                assert (await caller.ask(INFER)).json["bytes"] == 2


async def test_an_answer_to_who_hung_up_before_it_was_whole_is_not_sent_on(
    forwarder_kind: str,
) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        gateway.script.body = bytes(48 * 1024 * 1024)
        async with http_caller(rig.rest) as caller:
            caller.send(INFER)
            await caller.reader.readuntil(b"\r\n\r\n")
            gateway.hung_up.clear()
        await asyncio.wait_for(gateway.hung_up.wait(), 30.0)
        await until(lambda: not rig.forwarder.in_use("gateways"))


async def test_who_asks_on_without_reading_is_not_answered_on(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        gateway.script.body = bytes(4 * 1024 * 1024)
        async with http_caller(rig.rest) as caller:
            for _ in range(40):
                caller.send(INFER)
            await gateway.arrived.wait()
            await asyncio.sleep(0.5)
            assert len(gateway.asked) < 20
            for _ in range(40):
                assert len((await caller.answer()).body) == len(gateway.script.body)
        assert len(gateway.asked) == 40


async def test_a_request_may_come_in_any_pieces(forwarder_kind: str) -> None:
    async with scripted_endpoints("g") as (gateway,), started_forwarder(forwarder_kind) as rig:
        await rig.serve(gateways=[gateway])
        chunked = {"Transfer-Encoding": "chunked"}
        requests = http_request("POST", INFER, b"abcdef")
        requests += (
            http_request("POST", INFER, b"", chunked) + b"4\r\n\r\n\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        )
        requests += http_request("GET", "/v2/models/m")
        async with http_caller(rig.rest) as caller:
            for size in (1, 7, 64):
                for start in range(0, len(requests), size):
                    caller.writer.write(requests[start : start + size])
                    await asyncio.sleep(0)
                for length in (6, 6, 0):
                    assert (await caller.answer()).json["bytes"] == length
        assert {each.body for each in gateway.asked} == {b"abcdef", b"\r\n\r\nab", b""}


async def test_no_request_is_dropped_while_servers_come_and_go(forwarder_kind: str) -> None:
    async with (
        scripted_endpoints("a", "b", "c") as servers,
        started_forwarder(forwarder_kind) as rig,
    ):
        await rig.serve(gateways=servers)
        going = True
        statuses: Counter[int] = Counter()

        async def ask_on() -> None:
            async with http_caller(rig.rest) as caller:
                while going:
                    statuses[(await caller.ask(INFER)).status] += 1

        callers = [asyncio.create_task(ask_on()) for _ in range(8)]
        for turn in range(12):
            gone = servers[turn % 3]
            await rig.serve(gateways=[each for each in servers if each is not gone])
            await quiet(gone)
            await gone.stop()
            await gone.start()
            await rig.serve(gateways=servers)
            gone.arrived.clear()
            await asyncio.wait_for(gone.arrived.wait(), 30.0)
        going = False
        await asyncio.gather(*callers)
        assert set(statuses) == {200}


async def quiet(server: ScriptedEndpoint) -> None:
    """Return when what was under way to ``server`` has been answered.

    A loop that stood still looks at the clock before it reads, so one look says little.
    """
    seen, unchanged = -1, 0
    while unchanged < 10:
        unchanged = unchanged + 1 if len(server.asked) == seen else 0
        seen = len(server.asked)
        await asyncio.sleep(0.01)
