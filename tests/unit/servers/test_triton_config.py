"""``config.pbtxt`` as it is written for Triton."""

from __future__ import annotations

import pytest

from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import InvalidRequestError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.triton.model_config import config_of, renamed, with_parameters


def test_a_signature_is_written_as_triton_wants_it() -> None:
    spec = ModelSpec(
        "m",
        1,
        requirements=("triton", "python"),
        concurrency=2,
        signature=Signature(
            (TensorSpec("x", "FP32", ("n", 4)), TensorSpec("hint", "BYTES", (1,), optional=True)),
            (TensorSpec("y", "INT64", (None,), optional=True),),
        ),
    )
    assert config_of(spec, "m_1").splitlines() == [
        'name: "m_1"',
        'backend: "python"',
        'input { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] }',
        'input { name: "hint" data_type: TYPE_STRING dims: [ 1 ] optional: true }',
        'output { name: "y" data_type: TYPE_INT64 dims: [ -1 ] }',
        "instance_group { count: 2 kind: KIND_CPU }",
    ]
    assert config_of(ModelSpec("m", 1), "m_1") == 'name: "m_1"\n'


@pytest.mark.parametrize("tensor", [TensorSpec("x", "FP32"), TensorSpec("x", None, (1,))])
def test_half_a_signature_is_refused(tensor: TensorSpec) -> None:
    with pytest.raises(InvalidRequestError, match=r"'m' declares 'x' as .*; declare both"):
        config_of(ModelSpec("m", 1, signature=Signature((tensor,))), "m_1")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("", 'name: "n"\n'),
        ('name: "old"', 'name: "n"\n'),
        ("name: 'old', backend: \"b\"", 'name: "n"\n, backend: "b"'),
        ('# name: "x"\nname : "o" "ld" b: 1', 'name: "n"\n# name: "x"\n "ld" b: 1'),
        ('input { name: "x" }', 'name: "n"\ninput { name: "x" }'),
        ('input [ { name: "x" } ] name:"o"', 'name: "n"\ninput [ { name: "x" } ] '),
        ('s: "name: \\"x\\" {" name: "o"', 'name: "n"\ns: "name: \\"x\\" {" '),
        ('a < name: "x" > backend_name: "y"', 'name: "n"\na < name: "x" > backend_name: "y"'),
    ],
)
def test_the_name_alone_changes(config: str, expected: str) -> None:
    assert renamed(config, "n") == expected


def test_what_is_no_configuration_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidRequestError, match=r"config.pbtxt, line 2, is not in the text"):
        renamed('name: "m"\n$$$', "n")


def test_parameters_come_last() -> None:
    parameters = {"text": 'say "hi"', "number": 0.4, "list": [1, None]}
    assert with_parameters("name: 'm'\n\n", parameters).splitlines() == [
        "name: 'm'",
        'parameters { key: "text" value { string_value: "say \\"hi\\"" } }',
        'parameters { key: "number" value { string_value: "0.4" } }',
        'parameters { key: "list" value { string_value: "[1, null]" } }',
    ]
    assert with_parameters("a: 1", {}) == "a: 1\n"
