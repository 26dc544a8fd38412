"""The floor: a bare ASGI application that does by hand what the benchmark's pipelines do.

Uvicorn with httptools and uvloop, orjson, numpy; one process, no access log, nothing checked. It
speaks as much of V2 as the benchmark sends: JSON, and the binary tensor extension with one input.

    python benchmarks/floor.py PORT
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import orjson
import uvicorn

DTYPES = {"INT32": np.int32, "FP32": np.float32}


def model(x: Any) -> Any:
    """One model."""
    return x + 1


def chain(x: Any) -> Any:
    """Three models, one after the other."""
    return x + 1 + 1 + 1


def diamond(x: Any) -> Any:
    """Two models on the same input, and a third on what they made."""
    return (x + 1) + (x + x)


WORK = {
    "/v2/models/one/infer": ("one", model),
    "/v2/pipelines/chain/infer": ("chain", chain),
    "/v2/pipelines/diamond/infer": ("diamond", diamond),
    "/v2/pipelines/kept/infer": ("kept", diamond),
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    name, work = WORK[scope["path"]]
    message = await receive()
    body = message["body"]
    if message.get("more_body"):
        parts = [body]
        while message.get("more_body"):
            message = await receive()
            parts.append(message["body"])
        body = b"".join(parts)
    json_length = None
    for key, value in scope["headers"]:
        if key == b"inference-header-content-length":
            json_length = int(value)
    request = orjson.loads(body if json_length is None else memoryview(body)[:json_length])
    given = request["inputs"][0]
    dtype = DTYPES[given["datatype"]]
    if json_length is None:
        x = np.array(given["data"], dtype).reshape(given["shape"])
    else:
        x = np.frombuffer(body, dtype, offset=json_length).reshape(given["shape"])
    y = work(x)
    output = {"name": "y", "datatype": given["datatype"], "shape": list(y.shape)}
    answer = {
        "model_name": name,
        "model_version": "1",
        "id": request.get("id"),
        "outputs": [output],
    }
    headers = [(b"content-type", b"application/json")]
    if json_length is None:
        output["data"] = y.ravel().tolist()
        contents = [orjson.dumps(answer)]
    else:
        output["parameters"] = {"binary_data_size": y.nbytes}
        head = orjson.dumps(answer)
        contents = [head, y.tobytes()]
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"inference-header-content-length", str(len(head)).encode()),
        ]
    headers.append((b"content-length", str(sum(map(len, contents))).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if len(contents) > 1:
        await send({"type": "http.response.body", "body": contents[0], "more_body": True})
    await send({"type": "http.response.body", "body": contents[-1]})


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
