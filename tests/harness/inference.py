"""Requests of inference to a server that runs, over REST as anybody sends them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Message
    document: dict[str, Any]


def send(
    rest: str, path: str, tensors: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Reply:
    """Post tensors (datatype, shape and data by name) to a path of ``rest``."""
    inputs = [
        {"name": name, "datatype": datatype, "shape": shape, "data": data}
        for name, (datatype, shape, data) in tensors.items()
    ]
    request = urllib.request.Request(
        f"{rest}{path}",
        json.dumps({"inputs": inputs}).encode(),
        {"Content-Type": "application/json", **(headers or {})},
    )
    try:
        with urllib.request.urlopen(request) as response:
            return Reply(response.status, response.headers, json.load(response))
    except urllib.error.HTTPError as error:
        with error:
            return Reply(error.code, error.headers, json.load(error))


def fetch(rest: str, path: str) -> Any:
    """The document at a path."""
    with urllib.request.urlopen(f"{rest}{path}") as response:
        return json.load(response)
