"""Requests that nobody waits for, over REST."""

from __future__ import annotations

import asyncio
import json

import pytest

from fakes.gateway import FakeGateway
from harness.asgi import ask
from penstock.core.errors import NotReadyError, StepFailedError, UnsupportedError
from penstock.core.inference import InferenceRequest
from penstock.core.journal import InquiryDesk
from penstock.core.journal.tap import TapRecord
from penstock.core.records import Failed, Port
from penstock.testing.scripts import tensor
from unit.rest.conftest import RestRig

BODY = json.dumps(
    {"id": "7", "inputs": [{"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}]}
).encode()
JSON = {"content-type": "application/json"}


async def submitted(rig: RestRig, headers: dict[str, str] | None = None) -> str:
    answer = await rig.ask("POST", "/v2/pipelines/flow/requests", BODY, JSON | (headers or {}))
    assert answer.status == 202, answer.body
    location = answer.headers["location"]
    assert location == f"/v2/requests/{answer.json['id']}"
    return location


async def test_answer_is_fetched_as_the_call_would_have_had_it(rig: RestRig) -> None:
    rig.gateway.add("flow", kind="pipeline")
    location = await submitted(rig, {"x-request-id": "mine"})
    answer = await rig.ask("GET", location)
    assert answer.status == 200
    assert answer.headers["x-request-id"] == "mine"
    called = await rig.ask("POST", "/v2/pipelines/flow/infer", BODY, JSON)
    assert answer.json == called.json
    assert answer.json["id"] == "7"


async def test_answer_is_waited_for(rig: RestRig) -> None:
    target = rig.gateway.add("flow", lambda request: None, kind="pipeline")
    location = await submitted(rig)
    assert (await rig.ask("GET", location)).status == 202
    assert (await rig.ask("GET", f"{location}?wait=1")).status == 202
    waiting = asyncio.ensure_future(rig.ask("GET", f"{location}?wait=60000"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    target.tickets[0].reply(StepFailedError("no good", step="a"))
    answer = await asyncio.wait_for(waiting, 10)
    assert answer.status == 500
    assert (answer.json["code"], answer.json["step"]) == ("step-failed", "a")
    assert answer.json["request_id"] == "flow-1"


@pytest.mark.parametrize("wait", ["-1", "x", "60001", "1.5", ""])
async def test_wait_is_a_number(rig: RestRig, wait: str) -> None:
    rig.gateway.add("flow", kind="pipeline")
    answer = await rig.ask("GET", f"{await submitted(rig)}?wait={wait}")
    assert answer.status == 400
    assert answer.json["error"] == (
        f"the query parameter wait is '{wait}'; it must be a whole number, 0 to 60000"
    )


async def test_request_that_is_no_longer_kept_is_gone(rig: RestRig) -> None:
    gone = await rig.ask("GET", "/v2/requests/01ARYZ6S41TSV4RRFFQ69G5FAV")
    assert (gone.status, gone.json["code"]) == (410, "not-found")
    assert (await rig.ask("GET", "/v2/requests/never")).status == 404


async def test_refusals_are_told_at_once_and_counted(rig: RestRig) -> None:
    target = rig.gateway.add("flow", kind="pipeline")
    wrong = await rig.ask("POST", "/v2/pipelines/flow/requests", b"{", JSON)
    assert (wrong.status, wrong.json["code"]) == (400, "invalid-request")
    missing = await rig.ask("POST", "/v2/pipelines/flo/requests", BODY, JSON)
    assert missing.status == 404
    typed = await rig.ask("POST", "/v2/pipelines/flow/requests", BODY, {"content-type": "a/b"})
    assert typed.status == 415
    assert rig.refused == ["invalid-request", "not-found", "invalid-request"]
    target.not_ready = NotReadyError("not yet")
    answer = await rig.ask("POST", "/v2/pipelines/flow/requests", BODY, JSON)
    assert (answer.status, answer.json["error"]) == (503, "not yet")


async def test_events_tell_the_way_to_the_end(rig: RestRig) -> None:
    rig.gateway.add("flow", kind="pipeline")
    answer = await ask(rig.app, "GET", f"{await submitted(rig)}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line for line in answer.body.decode().splitlines() if line.startswith("event")]
    assert events == ["event: answer", "event: end"]


async def test_events_end_when_the_server_drains(rig: RestRig) -> None:
    rig.gateway.add("flow", lambda request: None, kind="pipeline")
    location = await submitted(rig)
    following = asyncio.ensure_future(ask(rig.app, "GET", f"{location}/events"))
    await asyncio.sleep(0.01)
    assert not following.done()
    rig.requests.close()
    answer = await asyncio.wait_for(following, 10)
    assert b"event: end" not in answer.body


async def test_requests_are_listed_and_chosen(rig: RestRig) -> None:
    rig.gateway.add("flow", kind="pipeline")
    rig.gateway.add("bad", lambda request: StepFailedError("no", step="a"), kind="pipeline")
    rig.gateway.add("slow", lambda request: None, kind="pipeline")
    for pipeline in ("flow", "bad", "slow", "flow"):
        await rig.ask("POST", f"/v2/pipelines/{pipeline}/requests", BODY, JSON)

    async def listed(query: str) -> list[str]:
        answer = await rig.ask("GET", f"/v1/requests{query}")
        return [each["id"] for each in answer.json["requests"]]

    assert await listed("") == ["flow-2", "slow-1", "bad-1", "flow-1"]
    assert await listed("?limit=2") == ["flow-2", "slow-1"]
    assert await listed("?pipeline=flow") == ["flow-2", "flow-1"]
    assert await listed("?outcome=failed") == ["bad-1"]
    assert await listed("?outcome=step-failed") == ["bad-1"]
    assert await listed("?outcome=open") == ["slow-1"]
    assert await listed("?since=2020-01-01T00:00:00Z") == []
    for query in ("?limit=0", "?limit=x", "?since=yesterday"):
        assert (await rig.ask("GET", f"/v1/requests{query}")).status == 400


async def test_dead_letters_are_listed_shown_and_sent_again(rig: RestRig) -> None:
    target = rig.gateway.add("flow", kind="pipeline")
    request = InferenceRequest("7", (tensor("x"),))
    failed = Failed("step-failed", "no", "a")
    rig.gateway.letters.put("old", "flow", 1, failed, 0.0, request, {"x-tenant": "t"})
    (letter,) = (await rig.ask("GET", "/v1/deadletters")).json["dead_letters"]
    assert (letter["number"], letter["reason"], letter["step"]) == (1, "no", "a")
    assert (await rig.ask("GET", "/v1/deadletters/1")).json == letter
    foreign = await rig.ask("POST", "/v1/deadletters/1/send", headers={"origin": "http://evil"})
    assert foreign.status == 403
    sent = await rig.ask("POST", "/v1/deadletters/1/send")
    assert sent.status == 202
    assert target.tickets[0].request is request
    assert target.tickets[0].headers == {"x-tenant": "t", "penstock-origin": "old"}
    assert (await rig.ask("GET", "/v1/deadletters")).json == {"dead_letters": []}
    assert (await rig.ask("POST", "/v1/deadletters/1/send")).status == 404
    assert (await rig.ask("GET", "/v1/deadletters/x")).status == 400


async def test_a_request_of_a_step_has_slashes_in_its_identity(rig: RestRig) -> None:
    rig.gateway.add("flow", kind="pipeline")
    await submitted(rig, {"x-request-id": "mine"})
    (story,) = rig.gateway.journal.find("flow-1")
    story.identity = "flow-1/a.0.1"
    rig.gateway.journal.begin(story)
    for path in ("/v1/requests/flow-1/a.0.1", "/v1/requests/flow-1%2Fa.0.1"):
        assert (await rig.ask("GET", path)).json["id"] == "flow-1/a.0.1"


async def test_requests_are_found_by_the_callers_id_and_by_time(rig: RestRig) -> None:
    rig.gateway.add("flow", kind="pipeline")
    for _ in range(2):
        await submitted(rig, {"x-request-id": "mine"})
    await submitted(rig, {"x-request-id": "other"})
    found = (await rig.ask("GET", "/v1/requests?x_request_id=mine")).json["requests"]
    assert [each["id"] for each in found] == ["flow-2", "flow-1"]
    shown = (await rig.ask("GET", "/v1/requests/mine")).json
    assert (shown["id"], shown["same_x_request_id"]) == ("flow-2", ["flow-1"])
    before = "until=1969-12-31T00:00:00Z"
    assert (await rig.ask("GET", f"/v1/requests?{before}")).json["requests"] == []
    wrong = await rig.ask("GET", "/v1/requests?until=yesterday")
    assert (wrong.status, wrong.json["code"]) == (400, "invalid-request")
    assert "the query parameter until is 'yesterday'" in wrong.json["error"]


async def test_a_port_is_followed_as_events(rig: RestRig) -> None:
    rig.gateway.add("flow", kind="pipeline")
    asking = asyncio.ensure_future(ask(rig.app, "GET", "/v1/tap/flow.step.a.outputs?limit=1"))
    await asyncio.wait_for(rig.gateway.followed.wait(), 10)
    (tap,) = rig.gateway.taps
    body = (tensor("y"),)
    for port in (Port("a", "inputs"), Port("a", "outputs")):
        tap.tell(TapRecord("r", "mine", "flow", 1, port, 0, 0.0, body))
    answer = await asyncio.wait_for(asking, 10)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [event.split("\n") for event in answer.body.decode().split("\n\n") if event]
    assert [event[0] for event in events] == ["event: open", "event: record"]
    record = json.loads(events[1][1].removeprefix("data: "))
    assert (record["port"], record["x_request_id"]) == ("flow.step.a.outputs", "mine")
    assert rig.gateway.taps == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/tap/other", 404),
        ("/v1/tap/flow.nothing", 400),
        ("/v1/tap/flow?state=open", 400),
        ("/v1/tap/flow?limit=-1", 400),
        ("/v1/tap/flow?everything=yes", 400),
        ("/v1/tap/flow.inputs?everything=true", 400),
        ("/v1/cases/nothing", 404),
    ],
)
async def test_wrong_taps_and_cases(rig: RestRig, path: str, status: int) -> None:
    rig.gateway.add("flow", kind="pipeline")
    assert (await rig.ask("GET", path)).status == status


async def test_taps_end_when_the_server_does(rig: RestRig) -> None:
    rig.gateway.add("flow", kind="pipeline")
    asking = asyncio.ensure_future(ask(rig.app, "GET", "/v1/tap/flow"))
    await asyncio.wait_for(rig.gateway.followed.wait(), 10)
    rig.requests.close()
    await asyncio.wait_for(asking, 10)
    assert rig.gateway.taps == []
    refused = await rig.ask("GET", "/v1/tap/flow")
    assert (refused.status, refused.json["code"]) == (503, "not-ready")


async def test_a_case_is_a_file_to_be_kept(rig: RestRig) -> None:
    rig.gateway.add("flow", kind="pipeline")
    await submitted(rig)
    answer = await rig.ask("GET", "/v1/cases/flow-1")
    assert (answer.status, answer.body) == (200, b"case of flow-1")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"].endswith("flow-1.penstock")


def test_a_server_may_make_no_case_files() -> None:
    gateway = FakeGateway()
    with pytest.raises(UnsupportedError, match="makes no case files"):
        asyncio.run(InquiryDesk(gateway.journal, gateway.letters, gateway).export("x"))
