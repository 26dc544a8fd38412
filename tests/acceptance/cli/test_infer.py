"""``penstock infer`` against a running server, over both protocols."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from harness.command_line import Done, Penstock
from harness.up import penstock_up

REQUEST = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [1, 3], "data": [1, 2, 3]}]}


@pytest.fixture(params=["--rest", "--grpc"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def infer(penstock: Penstock, protocol: str, *words: str, stdin: bytes = b"") -> Done:
    address = penstock.grpc if protocol == "--grpc" else penstock.rest
    return penstock("infer", protocol, "--server", address, *words, stdin=stdin)


def test_a_table_for_people(penstock: Penstock, protocol: str) -> None:
    done = infer(penstock, protocol, "pair", json.dumps(REQUEST))
    assert done.code == 0, done.err
    assert "pair version 1" in done.out
    row = done.out.splitlines()[-1].split()
    assert row == ["y", "INT32", "[1,", "3]", "[[4", "6", "8]]"]


def test_v2_for_programs(penstock: Penstock, protocol: str) -> None:
    done = infer(penstock, protocol, "pair", json.dumps(REQUEST | {"id": "mine"}), "-o", "json")
    assert done.document == {
        "model_name": "pair",
        "model_version": "1",
        "id": "mine",
        "outputs": [{"name": "y", "datatype": "INT32", "shape": [1, 3], "data": [4, 6, 8]}],
    }


def test_every_way_to_give_tensors(penstock: Penstock, protocol: str) -> None:
    array = np.array([[1, 2, 3]], np.int32)
    np.save(penstock.folder / "x.npy", array)
    np.savez(penstock.folder / "request.npz", x=array)
    (penstock.folder / "request.json").write_text(json.dumps(REQUEST))
    for words, stdin in (
        ((json.dumps(REQUEST),), b""),
        (("@request.json",), b""),
        (("@request.npz",), b""),
        (("-",), json.dumps(REQUEST).encode()),
        (("--tensor", "x=@x.npy"), b""),
        (("--tensor", "x=[[1, 2, 3]]:INT32"), b""),
    ):
        done = infer(penstock, protocol, "pair", *words, "-o", "json", stdin=stdin)
        assert done.code == 0, (words, done.err)
        assert done.document["outputs"][0]["data"] == [4, 6, 8], words
        assert done.document["outputs"][0]["shape"] == [1, 3], words


def test_outputs_are_saved_as_numpy_has_them(penstock: Penstock, protocol: str) -> None:
    done = infer(penstock, protocol, "pair", json.dumps(REQUEST), "--save", "y.npz")
    assert done.code == 0, done.err
    with np.load(penstock.folder / "y.npz") as saved:
        assert saved["y"].dtype == np.int32
        assert saved["y"].tolist() == [[4, 6, 8]]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pear", "--tensor", "x=[1]"), "not-found", "did you mean 'pair'?"),
        (("pair", "--tensor", "z=[1]"), "invalid-request", "wants the tensor 'x'"),
        (("broken", "--tensor", "x=[1]"), "step-failed", "RuntimeError: it is broken"),
        (("pair", '{"inputs": ['), "invalid-request", "not valid JSON"),
        (("pair", "[]"), "invalid-request", "send a JSON object"),
        (("pair", "--tensor", "x=[1"), "invalid-request", "'[1' is no JSON"),
        (("pair", "--tensor", "x=[1]:INT31"), "invalid-request", "did you mean INT32?"),
        (("pair", "--tensor", "x=[1.5]:INT32"), "invalid-request", "wants integers"),
        (("pair", "@nowhere.json"), "not-found", "'nowhere.json' cannot be read"),
    ],
)
def test_errors_are_sentences_with_a_code(
    penstock: Penstock, protocol: str, words: tuple[str, ...], code: str, said: str
) -> None:
    done = infer(penstock, protocol, *words)
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert said in done.err
    assert f"[{code}" in done.err
    in_json = infer(penstock, protocol, *words, "-o", "json")
    assert in_json.code == 1
    assert in_json.error["code"] == code
    assert said in in_json.error["error"]


def test_the_step_that_failed_is_named(penstock: Penstock, protocol: str) -> None:
    done = infer(penstock, protocol, "pair", "--tensor", "z=[1]", "-o", "json")
    assert done.error["step"] == "left"


def test_a_name_that_nothing_can_have(penstock: Penstock, protocol: str) -> None:
    done = infer(penstock, protocol, "a b/c", "--tensor", "x=[1]")
    assert done.code == 1
    assert "there can be no such model or pipeline: 'a b/c' is no name" in done.err
    done = infer(penstock, protocol, "", "--tensor", "x=[1]")
    assert "the request does not say which model or pipeline it is for" in done.err


def test_a_request_without_tensors(penstock: Penstock, protocol: str) -> None:
    done = infer(penstock, protocol, "one", '{"inputs": []}')
    assert done.code == 1
    assert "the request has no tensors, so model 'one' was not called" in done.err


@pytest.mark.parametrize("address", ["127.0.0.1:abc", "127.0.0.1:99999", "http://", ":1"])
def test_an_address_that_is_none(alone: Penstock, address: str) -> None:
    for words in (["infer", "one", "--tensor", "x=[1]"], ["bench", "one"]):
        done = alone(*words, "--server", address)
        assert done.code == 1
        assert f"'{address}' is no address of a server; write HOST:PORT" in done.err


def test_a_server_that_is_killed_at_work(tmp_path: Path, protocol: str) -> None:
    (tmp_path / "served.yaml").write_text(
        'kind: Model\nmetadata: {name: deadly}\nspec: {python: "deadly:f"}\n'
    )
    (tmp_path / "deadly.py").write_text(
        "import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with suppress(AssertionError), penstock_up(tmp_path, Path("served.yaml")) as addresses:
        penstock = Penstock(tmp_path, addresses["rest"], addresses["grpc"])
        done = infer(penstock, protocol, "deadly", "--tensor", "x=[1]")
    assert done.code == 1
    assert "broke before the answer was there" in done.err
    assert "[lost]" in done.err


def test_a_server_that_is_not_there(alone: Penstock, protocol: str) -> None:
    done = infer(alone, protocol, "pair", "--tensor", "x=[1]", "--timeout", "2")
    assert done.code == 1
    assert "no server answers at 127.0.0.1:1" in done.err
    assert "penstock up" in done.err
