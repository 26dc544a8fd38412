"""Where processes say that they answer."""

from __future__ import annotations

import pytest

from penstock.core.routing.route import Door
from penstock.core.runtime.doors import door_at, rest_at


@pytest.mark.parametrize(
    ("addresses", "host", "door"),
    [
        (
            {"rest": "http://127.0.0.1:1", "grpc": "127.0.0.1:2"},
            None,
            Door("http://127.0.0.1:1", "grpc://127.0.0.1:2", "z"),
        ),
        (
            {"rest": "http://0.0.0.0:1", "grpc": "[::]:2"},
            None,
            Door("http://:1", "grpc://:2", "z"),
        ),
        (
            {"rest": "https://[::]:1", "grpc": "grpcs://a:2"},
            "b",
            Door("https://b:1", "grpcs://b:2", "z"),
        ),
        (
            {"rest": "unix:/run/rest", "grpc": "127.0.0.1:2"},
            None,
            Door("", "grpc://127.0.0.1:2", "z"),
        ),
        ({"rest": "unix:/run/rest", "grpc": "unix:/run/grpc"}, None, None),
        ({}, None, None),
    ],
)
def test_a_door_is_where_others_reach_what_listens(
    addresses: dict[str, str], host: str | None, door: Door | None
) -> None:
    assert door_at(addresses, host, "z") == door
    assert rest_at(addresses, host) == ("" if door is None else door.rest)


def test_a_door_without_a_host_is_where_it_was_heard_of() -> None:
    door = Door("http://:1", "grpc://a:2")
    assert door.with_host("10.0.0.7") == Door("http://10.0.0.7:1", "grpc://a:2")
