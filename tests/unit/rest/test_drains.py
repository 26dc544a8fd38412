"""Drains of servers over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.asgi import ask

if TYPE_CHECKING:
    from .conftest import RestRig

PATH = "/v1/servers/inprocess/drain"


async def test_a_drain_begins_and_ends(rig: RestRig) -> None:
    answer = await ask(rig.app, "POST", PATH)
    assert (answer.status, answer.json) == (200, rig.control.drained("inprocess"))
    assert answer.json["drained"]
    assert (await ask(rig.app, "GET", PATH)).json == answer.json
    answer = await ask(rig.app, "DELETE", f"{PATH}?replica=1")
    assert not answer.json["drained"]
    assert rig.control.drains == [("inprocess", None, False), ("inprocess", 1, True)]


async def test_what_is_wrong_with_it(rig: RestRig) -> None:
    assert (await ask(rig.app, "POST", f"{PATH}?replica=first")).status == 400
    assert (await ask(rig.app, "POST", "/v1/servers/nowhere/drain")).status == 404
    assert (await ask(rig.app, "GET", "/v1/servers/nowhere/drain/events")).status == 404
    answer = await ask(rig.app, "POST", PATH, b"", {"origin": "https://example.org"})
    assert answer.status == 403
    assert rig.control.drains == []


async def test_its_progress_is_a_stream(rig: RestRig) -> None:
    answer = await ask(rig.app, "GET", f"{PATH}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.startswith(b"event: state\ndata: {")
    rig.stopping.set()
    assert (await ask(rig.app, "GET", f"{PATH}/events")).status == 503
