"""HTTP/1.1 as bytes: requests to send, and answers taken apart."""

from __future__ import annotations

import json
from typing import Any, NamedTuple


class HttpAnswer(NamedTuple):
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def http_request(
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    *,
    version: str = "1.1",
) -> bytes:
    """A request; the body's length is in its headers unless those say otherwise."""
    lines = {"Host": "test", **(headers or {})}
    if body is not None and not {"Content-Length", "Transfer-Encoding"} & set(lines):
        lines["Content-Length"] = str(len(body))
    head = f"{method} {path} HTTP/{version}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return head.encode("latin-1") + b"\r\n" + (body or b"")


def http_answers(output: bytes) -> list[HttpAnswer]:
    """Every answer in ``output``, which must end with a whole one."""
    answers = []
    while output:
        head, _, rest = output.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
        assert len(rest) >= length, "the last answer is not complete"
        answers.append(HttpAnswer(int(status_line.split()[1]), headers, rest[:length]))
        output = rest[length:]
    return answers
