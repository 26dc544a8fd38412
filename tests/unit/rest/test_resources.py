"""The control plane over REST."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from fakes.control import resource
from harness.asgi import AsgiCaller, ask
from penstock.core.contracts.control import WatchEvent
from penstock.core.errors import OverloadedError
from penstock.core.problems import Position, Problem, ProblemsError

if TYPE_CHECKING:
    from .conftest import RestRig

YAML = {"content-type": "application/yaml"}


@pytest.mark.parametrize("content_type", ["application/yaml", "text/yaml; charset=utf-8"])
async def test_applying_manifests(rig: RestRig, content_type: str) -> None:
    answer = await ask(
        rig.app, "POST", "/v1/resources", b"kind: Model\n", {"content-type": content_type}
    )
    assert answer.json == {
        "changes": [
            {
                "kind": "Model",
                "name": "scale",
                "action": "created",
                "version": 1,
                "warnings": ["a warning"],
                "because": "",
                "before": None,
                "after": {"kind": "Model"},
            }
        ]
    }
    [([manifest], dry_run)] = rig.control.applied
    assert (manifest.text, manifest.folder, dry_run) == ("kind: Model\n", None, False)


async def test_a_dry_run(rig: RestRig) -> None:
    await ask(rig.app, "POST", "/v1/resources?dry_run=true", b"{}", YAML)
    assert rig.control.applied[0][1]
    answer = await ask(rig.app, "POST", "/v1/resources?dry_run=yes", b"{}", YAML)
    assert answer.status == 400
    assert len(rig.control.applied) == 1


async def test_problems_come_all_at_once(rig: RestRig) -> None:
    position = Position("<request>", 1, 2)
    rig.control.refusal = ProblemsError(
        [Problem(position, "spec", "wrong"), Problem(position, "kind", "missing", "add it")]
    )
    answer = await ask(rig.app, "POST", "/v1/resources", b"x", YAML)
    assert answer.status == 400
    assert len(answer.json["details"]) == 2


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
async def test_what_a_web_page_may_send_is_not_applied(rig: RestRig, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = await ask(rig.app, "POST", "/v1/resources", b"kind: Model", headers)
    assert answer.status == 415
    answer = await ask(
        rig.app, "POST", "/v1/resources", b"kind: Model", {**YAML, "origin": "https://example.org"}
    )
    assert answer.status == 403
    answer = await ask(rig.app, "DELETE", "/v1/resources/Model/x", b"", {"origin": "null"})
    assert answer.status == 403
    assert not rig.control.applied


async def test_manifests_that_are_no_text(rig: RestRig) -> None:
    assert (await ask(rig.app, "POST", "/v1/resources", b"\xff", YAML)).status == 400


async def test_reading_resources(rig: RestRig) -> None:
    scale, credit = resource("Model", "scale"), resource("Pipeline", "credit")
    rig.control.put(scale)
    rig.control.put(credit)
    assert (await ask(rig.app, "GET", "/v1/resources")).json == {"resources": [scale, credit]}
    assert (await ask(rig.app, "GET", "/v1/resources/Model")).json == {"resources": [scale]}
    assert (await ask(rig.app, "GET", "/v1/resources/Model/scale")).json == scale
    answer = await ask(rig.app, "GET", "/v1/resources/Model/scales")
    assert (answer.status, answer.json["code"]) == (404, "not-found")


async def test_numbers_of_any_size(rig: RestRig) -> None:
    large = resource("Model", "large")
    large["spec"]["big"] = 10**30
    rig.control.put(large)
    assert (await ask(rig.app, "GET", "/v1/resources/Model/large")).json == large


async def test_deleting(rig: RestRig) -> None:
    rig.control.put(resource("Model", "scale"))
    path = "/v1/resources/Model/scale"
    assert (await ask(rig.app, "DELETE", path)).status == 409
    assert (await ask(rig.app, "DELETE", f"{path}?force=maybe")).status == 400
    answer = await ask(rig.app, "DELETE", f"{path}?force=true")
    assert answer.json["action"] == "deleted"
    assert (await ask(rig.app, "DELETE", f"{path}?force=true")).status == 404


async def test_watching(rig: RestRig) -> None:
    scale = resource("Model", "scale")
    rig.control.put(scale)
    caller = AsgiCaller(rig.app)
    asking = asyncio.ensure_future(caller.ask("GET", "/v1/watch?kind=Model"))
    assert (await caller.pieces.get()).startswith(b": ")
    first = (await caller.pieces.get()).decode()
    assert first == f"id: 1\nevent: put\ndata: {json.dumps(scale, separators=(',', ':'))}\n\n"
    rig.control.events.put_nowait(WatchEvent(7, "deleted", scale))
    assert (await caller.pieces.get()).startswith(b"id: 7\nevent: deleted\n")
    rig.watch.close()
    await asking
    assert (await ask(rig.app, "GET", "/v1/watch")).status == 503


async def test_a_watcher_that_goes_away_ends_the_watch(rig: RestRig) -> None:
    caller = AsgiCaller(rig.app)
    asking = asyncio.ensure_future(caller.ask("GET", "/v1/watch"))
    await caller.pieces.get()
    caller.gone.set()
    await asking


async def test_a_watch_says_why_it_ends(rig: RestRig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse() -> WatchEvent:
        raise OverloadedError("the watcher fell behind")

    monkeypatch.setattr(rig.control.events, "get", refuse)
    answer = await ask(rig.app, "GET", "/v1/watch")
    assert b"event: error\ndata: {" in answer.body
    assert b"fell behind" in answer.body


async def test_a_quiet_watch_shows_that_it_is_there(
    rig: RestRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.transports.rest.event_stream.HEARTBEAT_S", 0.0)
    caller = AsgiCaller(rig.app)
    asking = asyncio.ensure_future(caller.ask("GET", "/v1/watch"))
    await caller.pieces.get()
    assert await caller.pieces.get() == b": still here\n\n"
    caller.gone.set()
    await asking


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("?from_revision=-1", {}),
        ("?from_revision=x", {}),
        ("", {"last-event-id": "x"}),
        ("", {"last-event-id": "9" * 30}),
    ],
)
async def test_revisions_that_are_none(rig: RestRig, query: str, headers: dict[str, str]) -> None:
    assert (await ask(rig.app, "GET", f"/v1/watch{query}", b"", headers)).status == 400


async def test_a_resource_is_described(rig: RestRig) -> None:
    rig.control.put(resource("Model", "a"))
    answer = await ask(rig.app, "GET", "/v1/resources/Model/a/description")
    assert (answer.status, answer.json) == (200, rig.control.describe("Model", "a"))
    assert (await ask(rig.app, "GET", "/v1/resources/Model/b/description")).status == 404
