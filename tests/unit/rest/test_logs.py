"""The server's log over REST."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from harness.asgi import ask

if TYPE_CHECKING:
    from .conftest import RestRig


async def test_lines_come_as_events(rig: RestRig) -> None:
    for number in range(102):
        about = {"model": "scale"} if number == 100 else {}
        record = {"message": str(number), "about": about}
        rig.logs.keep(record, number * 1000.0, logging.INFO)
    answer = await ask(rig.app, "GET", "/v1/logs")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.startswith(b'event: lost\ndata: {"lost":2}')
    assert answer.body.count(b"event: record\n") == 100
    answer = await ask(rig.app, "GET", "/v1/logs?kind=model&name=scale&level=info")
    assert answer.body.endswith(
        b'event: record\ndata: {"message":"100","about":{"model":"scale"}}\n\n'
    )
    answer = await ask(rig.app, "GET", "/v1/logs?since=1970-01-01T00:01:41Z")
    assert answer.body == b'event: record\ndata: {"message":"101","about":{}}\n\n'


@pytest.mark.parametrize(
    ("query", "status"),
    [("kind=modle", 404), ("level=loud", 400), ("name=a", 400), ("since=now", 400)],
)
async def test_what_cannot_be_asked_for(rig: RestRig, query: str, status: int) -> None:
    assert (await ask(rig.app, "GET", f"/v1/logs?{query}")).status == status


async def test_a_server_that_stops_ends_the_stream(rig: RestRig) -> None:
    rig.stopping.set()
    assert (await ask(rig.app, "GET", "/v1/logs?follow=true")).status == 503
