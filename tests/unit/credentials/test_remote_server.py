"""Servers as clients know them."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.client.remote_server import Credentials, RemoteServer
from penstock.core.credentials import Tls
from penstock.core.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("address", "place", "secured"),
    [
        ("here:1", "here:1", False),
        ("grpc://here:1", "here:1", False),
        ("http://here:1/", "here:1", False),
        ("grpcs://here:1", "here:1", True),
        ("https://[::1]:2", "[::1]:2", True),
    ],
)
def test_an_address_says_whether_tls_is_spoken(address: str, place: str, secured: bool) -> None:
    server = RemoteServer.at(address)
    assert (server.place, server.tls) == (place, Tls() if secured else None)


@pytest.mark.parametrize("address", ["", "here:x", "here:0", "ftp://here:1", "//"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(InvalidRequestError, match="is no address of a server"):
        RemoteServer.at(address)


def test_an_authority_or_a_certificate_means_tls() -> None:
    ca, certificate, key = Path("ca"), Path("cert"), Path("key")
    assert Credentials(ca=ca).server("here:1").tls == Tls(ca)
    server = Credentials(certificate=certificate, key=key).server("grpcs://here:1")
    assert server.tls == Tls(None, certificate, key)


def test_half_of_a_certificate_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="--cert and --key"):
        Credentials(key=Path("key")).server("here:1")


def test_the_token_goes_beside_every_call() -> None:
    assert RemoteServer.at("here:1").headers() == {}
    server = Credentials(token=lambda: "secret").server("here:1")
    assert server.headers() == {"authorization": "Bearer secret"}
