"""Which model of a server elsewhere a manifest means, and what is known of its tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import InvalidRequestError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.binding.agreement import agree_with_server
from penstock.servers.v2.remote_name import RemoteName, refuse_parameters, remote_name
from penstock.servers.v2.signatures import TensorMetadata, signature_of

X = TensorSpec("x", "FP32", (None, 4))
Y = TensorSpec("y", "FP32", (None,))


def spec(**parameters: Any) -> ModelSpec:
    return ModelSpec("scale", 3, parameters=parameters)


def test_names() -> None:
    assert remote_name(spec()) == RemoteName("scale", "", {})
    assert remote_name(spec(remoteModel="other", remoteVersion=2)) == RemoteName("other", "2", {})
    assert remote_name(spec(config="{}", n=1)).parameters == {"config": "{}", "n": 1}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (spec(remoteModel=[1]), "remoteModel"),
        (spec(remoteVersion=True), "remoteVersion"),
        (spec(weights=[1.0]), "'weights'"),
        (ModelSpec("m", 1, python="a:b"), "spec.python"),
        (ModelSpec("m", 1, artifacts=Path("/a")), "spec.storageUri"),
    ],
)
def test_what_cannot_be_given_to_a_server_elsewhere(wrong: ModelSpec, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        remote_name(wrong)


def test_parameters_that_nobody_would_read_name_what_was_meant() -> None:
    with pytest.raises(InvalidRequestError, match="did you mean 'remoteModel'"):
        refuse_parameters(remote_name(spec(remotModel="x")))
    refuse_parameters(remote_name(spec(remoteModel="x")))


def test_metadata_are_a_signature_as_far_as_they_say_something() -> None:
    inputs = [TensorMetadata("x", "FP32", [-1, 4]), TensorMetadata("any", "", [-1])]
    known = signature_of(inputs, [])
    assert known == Signature((TensorSpec("x", "FP32", (None, 4)), TensorSpec("any")), None)


def test_a_declared_signature_and_the_servers_say_together_what_holds() -> None:
    own = Signature((X, TensorSpec("mask", "BOOL", (None,))), (Y,))
    declared = Signature((TensorSpec("x", None, ("n", 4)),), None)
    assert agree_with_server(own, declared) == Signature(
        (TensorSpec("x", "FP32", ("n", 4)), TensorSpec("mask", "BOOL", (None,), True)), (Y,)
    )
    assert agree_with_server(Signature(), declared) == declared
    assert agree_with_server(own, None) == own
    assert agree_with_server(Signature(), None) is None


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        (Signature((TensorSpec("X", "FP32"),)), "the input 'X'.*did you mean 'x'"),
        (Signature((TensorSpec("x", "INT32"),)), "declares the input 'x' as INT32"),
        (Signature(None, (TensorSpec("y", "FP32", (1, 2)),)), "declares the output 'y'"),
        (Signature(None, (TensorSpec("z"),)), "the output 'z'"),
    ],
)
def test_where_they_differ_both_are_shown(declared: Signature, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        agree_with_server(Signature((X,), (Y,)), declared)
