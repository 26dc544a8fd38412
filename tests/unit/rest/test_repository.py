"""Models loaded and unloaded over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fakes.control import resource
from harness.asgi import ask

if TYPE_CHECKING:
    from .conftest import RestRig


@pytest.mark.parametrize("body", [b"", b"{}", b'{"parameters": {"unload_dependents": false}}'])
@pytest.mark.parametrize("verb", ["load", "unload"])
async def test_a_model_is_loaded_or_unloaded(rig: RestRig, verb: str, body: bytes) -> None:
    rig.control.put(resource("Model", "scale"))
    answer = await ask(rig.app, "POST", f"/v2/repository/models/scale/{verb}", body)
    assert (answer.status, answer.json) == (200, {})
    assert rig.control.repository == [(verb, "scale")]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"parameters": {"config": "{}"}}', "take no parameters here"),
        (b'{"parameters": {"unload_dependents": true}}', "(unload_dependents)"),
        (b'{"parameters": [1]}', "parameters must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (b"{", "the body is no JSON"),
    ],
)
async def test_what_is_refused(rig: RestRig, body: bytes, why: str) -> None:
    rig.control.put(resource("Model", "scale"))
    answer = await ask(rig.app, "POST", "/v2/repository/models/scale/load", body)
    assert (answer.status, answer.json["code"]) == (400, "invalid-request")
    assert why in answer.json["error"]
    assert rig.control.repository == []


async def test_a_model_that_is_not_there(rig: RestRig) -> None:
    answer = await ask(rig.app, "POST", "/v2/repository/models/scale/unload")
    assert (answer.status, answer.json["code"]) == (404, "not-found")


async def test_foreign_pages_change_nothing(rig: RestRig) -> None:
    rig.control.put(resource("Model", "scale"))
    headers = {"origin": "https://foreign.example"}
    answer = await ask(rig.app, "POST", "/v2/repository/models/scale/unload", b"", headers)
    assert answer.status == 403
    assert rig.control.repository == []
