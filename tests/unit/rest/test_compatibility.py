"""The thin path fits on the uvicorn that is installed; when it does not, this says so."""

from __future__ import annotations

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from harness.connection import FakeConnection
from harness.http_messages import http_request
from penstock.transports.rest import server
from penstock.transports.rest.compatibility import ATTRIBUTES, incompatibility
from penstock.transports.rest.server import PlainProtocol

from .conftest import RestRig


def test_the_installed_uvicorn_fits() -> None:
    assert incompatibility() is None, "port transports/rest/protocol.py to this uvicorn"


def test_a_protocol_that_has_changed_is_noticed() -> None:
    class Changed(HttpToolsProtocol):
        on_body = None  # type: ignore[assignment]  # as if a newer uvicorn had renamed it

        def __init__(self) -> None:
            self.parser = None  # type: ignore[assignment]  # one of the attributes, and no more

    reason = incompatibility(Changed)
    assert reason is not None
    lacking = {"on_body", "config of __init__", *ATTRIBUTES} - {"parser"}
    assert all(name in reason for name in lacking)
    assert incompatibility(H11Protocol) is not None


async def test_everything_then_goes_through_asgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "incompatibility", lambda: "it has changed")
    rig = RestRig()
    rig.gateway.add("echo")
    protocol = rig.server.new_protocol()
    assert isinstance(protocol, PlainProtocol)
    connection = FakeConnection(protocol)
    connection.feed(http_request("POST", "/v2/models/echo/infer", b'{"inputs": []}'))
    [answer] = await rig.answers(connection)
    assert answer.status == 200
