"""The ASGI application, as any ASGI server runs it."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from harness.asgi import AsgiCaller, ask
from harness.http_messages import http_request
from penstock.core.errors import NotReadyError, PenstockError
from penstock.core.inference import InferenceResponse
from penstock.core.signature import Signature, TensorSpec
from penstock.transports.rest.body import unpacked

if TYPE_CHECKING:
    from .conftest import RestRig

INFER = "/v2/models/echo/infer"
MAX_BODY = 1024 * 1024
Body = Callable[..., bytes]


async def test_inference(rig: RestRig, body: Body) -> None:
    for path in (INFER, "/v2/models/echo/versions/1/infer"):
        answer = await ask(rig.app, "POST", path, body(1, 2), {"x-request-id": "r"})
        assert answer.status == 200
        assert answer.json["outputs"][0]["data"] == [1, 2]
        assert answer.headers["x-request-id"] == "r"
        assert answer.headers["penstock-request"].startswith("echo-")


async def test_binary_tensors_come_back(rig: RestRig) -> None:
    head = (
        b'{"inputs":[{"name":"x","datatype":"FP32","shape":[2],'
        b'"parameters":{"binary_data_size":8}}],"parameters":{"binary_data_output":true}}'
    )
    length = {"Inference-Header-Content-Length": str(len(head))}
    answer = await ask(rig.app, "POST", INFER, [head, b"\x01\x02\x03\x04", b"\x05" * 4], length)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-length"] == str(len(answer.body))
    json_length = int(answer.headers["inference-header-content-length"])
    assert answer.body[json_length:] == b"\x01\x02\x03\x04" + b"\x05" * 4


async def test_an_answer_that_comes_later(rig: RestRig, body: Body) -> None:
    later, asking = await rig.ask_later(body(1))
    later.tickets[0].reply(InferenceResponse("later", "1", None, later.tickets[0].request.tensors))
    assert (await asking).status == 200


async def test_a_caller_that_goes_away_cancels(rig: RestRig, body: Body) -> None:
    later = rig.gateway.add("later", lambda request: None)
    caller = AsgiCaller(rig.app)
    later.on_submit = lambda ticket: caller.gone.set()
    assert await caller.ask("POST", "/v2/models/later/infer", body(1)) is None
    assert later.tickets[0].cancelled


async def test_a_server_that_is_forced_to_stop_cancels(rig: RestRig, body: Body) -> None:
    later, asking = await rig.ask_later(body(1))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert later.tickets[0].cancelled


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [
        (gzip.compress, "gzip"),
        (zlib.compress, "deflate"),
        (lambda content: zlib.compress(content)[2:-4], "deflate"),
        (bytes, "identity"),
    ],
)
@pytest.mark.parametrize("size", [3, 60_000])
async def test_packed_bodies(
    rig: RestRig, body: Body, pack: Callable[[bytes], bytes], encoding: str, size: int
) -> None:
    answer = await ask(
        rig.app, "POST", INFER, pack(body(*range(size))), {"Content-Encoding": encoding}
    )
    assert answer.json["outputs"][0]["data"] == list(range(size))


@pytest.mark.parametrize(
    ("packed", "status"),
    [
        (gzip.compress(b" " * (MAX_BODY + 1)), 413),
        (gzip.compress(b"{}")[:-9], 400),
        (gzip.compress(b"{}") + b"more", 400),
        (b"", 400),
        (b"plain", 400),
    ],
    ids=["too large", "cut", "longer", "empty", "not packed"],  # what is packed holds the time
)
async def test_packed_bodies_that_are_wrong(rig: RestRig, packed: bytes, status: int) -> None:
    answer = await ask(rig.app, "POST", INFER, packed, {"Content-Encoding": "gzip"})
    assert answer.status == status


def test_a_small_bomb_is_not_unpacked_whole() -> None:
    bomb = gzip.compress(bytes(50 * MAX_BODY))
    with pytest.raises(PenstockError, match="more than"):
        unpacked(bomb, b"gzip", MAX_BODY)


async def test_a_body_over_the_limit(rig: RestRig) -> None:
    said = await ask(rig.app, "POST", INFER, b"", {"Content-Length": str(MAX_BODY + 1)})
    unsaid = await ask(rig.app, "POST", INFER, [b"x" * MAX_BODY, b"x"])
    assert said.status == unsaid.status == 413


async def test_health(rig: RestRig) -> None:
    assert (await ask(rig.app, "GET", "/v2/health/live")).json == {"live": True}
    assert (await ask(rig.app, "GET", "/v2/health/ready")).json == {"ready": True}
    rig.gateway.is_ready = False
    answer = await ask(rig.app, "GET", "/v2/health/ready")
    assert (answer.status, answer.json["code"]) == (503, "not-ready")
    rig.gateway.is_ready = True
    rig.intake.close()
    assert (await ask(rig.app, "GET", "/v2/health/ready")).status == 503
    assert (await ask(rig.app, "GET", "/v2/health/live")).status == 200


async def test_metadata(rig: RestRig) -> None:
    target = rig.gateway.add("flow", kind="pipeline")
    target.signature = Signature(
        (TensorSpec("x", "FP32", ("n", 4)), TensorSpec("y")), (TensorSpec("z", "INT64", (1,)),)
    )
    expected = {
        "name": "flow",
        "versions": ["1"],
        "platform": "fake",
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
            {"name": "y", "datatype": "", "shape": [-1]},
        ],
        "outputs": [{"name": "z", "datatype": "INT64", "shape": [1]}],
    }
    for path in ("/v2/pipelines/flow", "/v2/models/flow", "/v2/models/flow.pipeline/versions/1"):
        assert (await ask(rig.app, "GET", path)).json == expected
    header = {"seldon-model": "flow.pipeline"}
    assert (await ask(rig.app, "GET", "/v2/models/any", b"", header)).json == expected
    assert (await ask(rig.app, "GET", "/v2/models/echo")).json["inputs"] == []
    assert (await ask(rig.app, "GET", "/v2/pipelines/echo")).status == 404
    assert (await ask(rig.app, "GET", "/v2")).json["name"] == "fake"


async def test_readiness_of_a_target(rig: RestRig) -> None:
    for path in ("/v2/models/echo/ready", "/v2/models/echo/versions/1/ready"):
        assert (await ask(rig.app, "GET", path)).json == {"name": "echo", "ready": True}
    assert (await ask(rig.app, "GET", "/v2/models/nothing/ready")).status == 404
    assert (await ask(rig.app, "GET", "/v2/models/echo/versions/2/ready")).status == 404
    rig.gateway.add("slow").not_ready = NotReadyError("it is still loading")
    answer = await ask(rig.app, "GET", "/v2/models/slow/ready")
    assert (answer.status, answer.json["error"]) == (503, "it is still loading")
    assert (await ask(rig.app, "GET", "/v2/models/slow")).status == 503


async def test_the_index(rig: RestRig) -> None:
    rig.gateway.add("slow").not_ready = NotReadyError("it is still loading")
    echo = {"name": "echo", "version": "1", "state": "READY", "reason": ""}
    slow = {
        "name": "slow",
        "version": "1",
        "state": "UNAVAILABLE",
        "reason": "it is still loading",
    }
    path = "/v2/repository/index"
    assert (await ask(rig.app, "POST", path)).json == [echo, slow]
    assert (await ask(rig.app, "POST", path, b"{}")).json == [echo, slow]
    assert (await ask(rig.app, "POST", path, b'{"ready": true}')).json == [echo]
    for wrong in (b"[]", b'{"ready": 1}', b"{"):
        assert (await ask(rig.app, "POST", path, wrong)).status == 400


async def test_pages(rig: RestRig) -> None:
    answer = await ask(rig.app, "GET", "/metrics")
    assert answer.body == b"up 1\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    links = (await ask(rig.app, "GET", "/")).json["links"]
    for path in links.values():
        if path != "/v1/watch":
            assert (await ask(rig.app, "GET", path)).status == 200


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v2/", "/v2/models/", "/v2/models/a/b", "/v2/models"]
)
async def test_an_unknown_path(rig: RestRig, path: str) -> None:
    answer = await ask(rig.app, "GET", path)
    assert (answer.status, answer.json["code"]) == (404, "not-found")
    assert path in answer.json["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", INFER, "POST"),
        ("PUT", "/v2", "GET, HEAD"),
        ("PATCH", "/v1/resources", "GET, HEAD, POST"),
        ("BREW", "/v1/resources/Model/x", "DELETE, GET, HEAD"),
    ],
)
async def test_a_wrong_method(rig: RestRig, method: str, path: str, allowed: str) -> None:
    answer = await ask(rig.app, method, path)
    assert (answer.status, answer.json["code"]) == (405, "invalid-request")
    assert answer.headers["allow"] == allowed


async def test_head_is_answered_as_get(rig: RestRig) -> None:
    connection = rig.connect()
    connection.feed(http_request("HEAD", "/v2"))
    await rig.server.wait_for_tasks()
    assert connection.output.startswith(b"HTTP/1.1 200 OK")
    assert connection.output.endswith(b"\r\n\r\n")


async def test_a_defect_is_internal_and_tells_nothing(rig: RestRig) -> None:
    def fail() -> bool:
        raise RuntimeError("the password is 1234")

    rig.gateway.live = fail  # type: ignore[method-assign]  # a gateway with a defect
    caller = AsgiCaller(rig.app)
    with pytest.raises(RuntimeError):
        await caller.ask("GET", "/v2/health/live")
    document = json.loads(caller.pieces.get_nowait())
    assert document["code"] == "internal"
    assert "1234" not in document["error"]
