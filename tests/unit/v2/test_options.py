"""The options of a server elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from penstock.core.clock import VirtualClock
from penstock.core.credentials import token_of_environment, token_of_file
from penstock.core.errors import InvalidRequestError
from penstock.servers.v2.options import V2Options
from penstock.servers.v2.server import V2Server


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ({"address": "grpc://there:8001"}, "grpc://there:8001"),
        ({"address": "grpcs://there:8001"}, "grpcs://there:8001"),
        ({"address": "http://there"}, "http://there:80"),
        ({"address": "https://there/"}, "https://there:443"),
        ({"address": "there:8001", "protocol": "grpc"}, "grpc://there:8001"),
        ({"address": "[::1]:8001", "protocol": "rest"}, "http://[::1]:8001"),
        ({"address": "grpc://there:8001", "tls": {}}, "grpcs://there:8001"),
        ({"address": "http://there:8000", "tls": {"caFile": "/ca.pem"}}, "https://there:8000"),
    ],
)
def test_addresses(written: dict[str, object], address: str) -> None:
    assert V2Options.model_validate(written).endpoint().address == address


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ({"address": "ftp://there:1"}, "begins with ftp://"),
        ({"address": "grpc://there"}, "has no port"),
        ({"address": "there:1"}, "does not say what is spoken"),
        ({"address": "http://there/base"}, "no address of a server"),
        ({"address": "http://me:secret@there"}, "no address of a server"),
        ({"address": "http://there:port"}, "[Pp]ort"),
        ({"address": "http://there", "protocol": "grpc"}, "is not spoken to over grpc"),
        ({"tls": {"keyFile": "k.pem"}}, "belong together"),
        ({"token": {}}, "one of env and file"),
        ({"token": {"env": "A", "file": "b"}}, "one of env and file"),
        ({"load": "sometimes"}, "present"),
    ],
)
def test_what_cannot_be_meant_is_refused(written: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        V2Options.model_validate(written)


def test_without_an_address_there_is_no_server() -> None:
    with pytest.raises(InvalidRequestError, match="where the server is"):
        V2Server(V2Options())


def test_a_token_of_the_environment() -> None:
    assert token_of_environment("T", {"T": " secret\n"})() == "secret"
    with pytest.raises(InvalidRequestError, match="environment variable T"):
        token_of_environment("T", {"T": " "})


def test_a_token_in_a_file_is_read_again_after_a_minute(tmp_path: Path) -> None:
    clock = VirtualClock()
    file = tmp_path / "token"
    file.write_text("one\n")
    token = token_of_file(file, lambda: clock.now_ms() / 1000.0)
    file.write_text("two\n")
    assert token() == "one"
    clock.advance(60_000)
    assert token() == "two"
    file.unlink()
    clock.advance(60_000)
    assert token() == "two"
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        token_of_file(file)
