"""Answers in JSON for everything that is not inference."""

from __future__ import annotations

import json
from typing import Any

import orjson
from starlette.responses import Response


def json_bytes(document: Any) -> bytes:
    """A document as JSON. Numbers of any size stay exact."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        # Manifests may hold what orjson does not write, for instance integers beyond 64 bits.
        return json.dumps(document, separators=(",", ":")).encode("ascii")


class JsonAnswer(Response):
    """A document as JSON, with a newline at its end for those who read it in a terminal."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json_bytes(content) + b"\n"
