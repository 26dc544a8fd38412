"""An ASGI application without a server: one request, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp

from harness.http_messages import HttpAnswer


class AsgiCaller:
    """Asks an application. ``gone`` may be set to have the caller go away.

    ``pieces`` collects the body as it comes, for answers that do not end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.gone = asyncio.Event()
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._status = 0
        self._headers: dict[str, str] = {}

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] = b"",
        headers: dict[str, str] | None = None,
    ) -> HttpAnswer | None:
        """The answer, None when there was none."""
        path, _, query = target.partition("?")
        bodies = [body] if isinstance(body, bytes) else list(body)
        parts = [
            {"type": "http.request", "body": each, "more_body": index < len(bodies) - 1}
            for index, each in enumerate(bodies)
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in (headers or {}).items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }

        async def receive() -> Any:
            if parts:
                return parts.pop(0)
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                self._headers = {
                    name.decode("latin-1"): value.decode("latin-1")
                    for name, value in message["headers"]
                }
            else:
                self.pieces.put_nowait(bytes(message["body"]))

        await self._app(scope, receive, send)
        if not self._status:
            return None
        whole = b""
        while not self.pieces.empty():
            whole += self.pieces.get_nowait()
        return HttpAnswer(self._status, self._headers, whole)


async def ask(app: ASGIApp, method: str, target: str, *args: Any) -> HttpAnswer:
    """The answer to one request: body and headers may follow."""
    answer = await AsgiCaller(app).ask(method, target, *args)
    assert answer is not None, "there is an answer"
    return answer
