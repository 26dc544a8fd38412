"""Commands that speak to a server which wants certificates and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.certificates import certificates
from harness.command_line import MANIFESTS, MODELS, Penstock
from harness.up import penstock_up

CONFIG = """\
rest:
  tls: &tls
    certificateFile: pki/server.pem
    keyFile: pki/server.key
    clientCaFile: pki/ca.pem
grpc: {tls: *tls}
scheduler:
  access:
    token: {file: pki/boss}
    inferenceToken: {file: pki/guest}
"""
DATA = '{"inputs": [{"name": "x", "datatype": "INT32", "shape": [1], "data": [1]}]}'


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Penstock]:
    """The command line beside a server that lets in only those whom it knows."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "models.py").write_text(MODELS)
    (folder / "served.yaml").write_text(MANIFESTS)
    (folder / "pki").mkdir()
    certificates(folder / "pki", "server", "client")
    for token in ("boss", "guest", "wrong"):
        (folder / "pki" / token).write_text(f"the token of {token}\n")
    with penstock_up(folder, Path("served.yaml"), config=CONFIG) as addresses:
        yield Penstock(folder, addresses["rest"], addresses["grpc"])


TLS = ("--ca", "pki/ca.pem", "--cert", "pki/client.pem", "--key", "pki/client.key")


def test_commands_bring_their_token_and_certificate(guarded: Penstock) -> None:
    known = (*TLS, "--token-file", "pki/boss")
    assert guarded("status", *known).code == 0
    assert guarded("get", "model", "one", *known, "-o", "json").document["kind"] == "Model"
    assert guarded("apply", "served.yaml", *known).code == 0
    assert guarded("deadletters", *known, "-o", "json").document == []
    assert guarded("explain", "one", *known).code == 0
    assert guarded("inspect", *known).code == 0


@pytest.mark.parametrize(
    ("token", "code", "sentence"),
    [
        ((), "unauthenticated", "the call brings no bearer token"),
        (("--token-file", "pki/wrong"), "unauthenticated", "none that this server takes"),
        (("--token-file", "pki/guest"), "forbidden", "scheduler.access.token"),
    ],
)
def test_what_a_wrong_token_is_told(
    guarded: Penstock, token: tuple[str, ...], code: str, sentence: str
) -> None:
    done = guarded("get", *TLS, *token, "-o", "json")
    assert done.code == 1
    assert done.error["code"] == code
    assert sentence in done.error["error"]


def test_what_stands_in_the_environment(guarded: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_TOKEN", "the token of boss")
    monkeypatch.setenv("PENSTOCK_CA", "pki/ca.pem")
    monkeypatch.setenv("PENSTOCK_CERT", "pki/client.pem")
    monkeypatch.setenv("PENSTOCK_KEY", "pki/client.key")
    assert guarded("status").code == 0
    monkeypatch.delenv("PENSTOCK_TOKEN")
    assert guarded("status").code == 1
    monkeypatch.setenv("PENSTOCK_TOKEN_FILE", "pki/boss")
    assert guarded("status").code == 0


@pytest.mark.parametrize("protocol", ["--rest", "--grpc"])
def test_requests_have_a_token_of_their_own(guarded: Penstock, protocol: str) -> None:
    address = guarded.rest if protocol == "--rest" else guarded.grpc
    to = (protocol, "--server", address, *TLS)
    done = guarded("infer", "one", DATA, *to, "--token-file", "pki/guest", "-o", "json")
    assert done.document["outputs"][0]["data"] == [2]
    refused = guarded("infer", "one", DATA, *to, "-o", "json")
    assert (refused.code, refused.error["code"]) == (1, "unauthenticated")
    bench = ("bench", "one", DATA, *to, "--requests", "5", "--warm-up", "0", "-o", "json")
    done = guarded(*bench, "--token-file", "pki/guest")
    assert (done.code, done.document["errors"]) == (0, [])


def test_half_of_a_certificate_and_a_token_that_is_nowhere(guarded: Penstock) -> None:
    done = guarded("status", "--cert", "pki/client.pem")
    assert done.code == 1
    assert "--cert and --key belong together" in done.err
    done = guarded("status", *TLS, "--token-file", "pki/nowhere")
    assert done.code == 1
    assert "which --token-file names, cannot be read" in done.err


def test_who_has_no_certificate_is_told_what_to_look_at(guarded: Penstock) -> None:
    done = guarded("status", "--ca", "pki/ca.pem", "-o", "json")
    assert done.code == 1
    assert "--cert and --key" in done.error["error"]


def test_names_are_completed(guarded: Penstock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_PENSTOCK_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_CWORD", "3")
    monkeypatch.setenv("COMP_WORDS", "penstock get model o")
    assert guarded().out.strip() == ""
    monkeypatch.setenv("PENSTOCK_TOKEN_FILE", "pki/boss")
    for name, file in (("CA", "ca.pem"), ("CERT", "client.pem"), ("KEY", "client.key")):
        monkeypatch.setenv(f"PENSTOCK_{name}", f"pki/{file}")
    assert guarded().out.strip() == "plain,one"
