from __future__ import annotations

import pytest

from penstock.core.config.environment import resolve_environment
from penstock.core.positions import YamlValue, read_documents

ENVIRONMENT = {"HOST": "10.0.0.1", "PORT": "8900", "EMPTY": "", "YAML": "{a: 1}\n- b"}


def resolve(text: str) -> tuple[YamlValue, list[str]]:
    [document] = read_documents(text, "f.yaml")
    resolved, problems = resolve_environment(document, ENVIRONMENT)
    assert resolved.position(("a",)) == document.position(("a",))
    return resolved.data, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${env:HOST}", "10.0.0.1"),
        ("http://${env:HOST}:${env:PORT}/", "http://10.0.0.1:8900/"),
        ("${env:PORT}", "8900"),
        ("${env:EMPTY}", ""),
        ("${env:EMPTY:-else}", ""),
        ("${env:NOBODY:-else}", "else"),
        ("${env:NOBODY:-}", ""),
        ("${env:NOBODY:-a:-b}", "a:-b"),
        ("$${env:HOST}", "${env:HOST}"),
        ("${HOST} $HOST ${env}", "${HOST} $HOST ${env}"),
        ("${env:YAML}", "{a: 1}\n- b"),
    ],
)
def test_references(written: str, value: str) -> None:
    assert resolve(f"a: '{written}'") == ({"a": value}, [])


def test_references_stand_anywhere_but_in_keys() -> None:
    data, problems = resolve("a: [{b: '${env:PORT}'}, 5, true, null]\n'${env:HOST}': 1\n")
    assert data == {"a": [{"b": "8900"}, 5, True, None], "${env:HOST}": 1}
    assert problems == []


def test_a_variable_that_is_not_set() -> None:
    assert resolve("a: x\nb:\n- ${env:HOTS}\n- ${env:ZZZ}\n")[1] == [
        "f.yaml:3:3: b[0]: the environment variable 'HOTS' is not set; did you mean 'HOST'?",
        "f.yaml:4:3: b[1]: the environment variable 'ZZZ' is not set; "
        "set it, or write ${env:ZZZ:-default}",
    ]


@pytest.mark.parametrize("written", ["${env:", "${env:}", "${env:1A}", "${env:A", "${env:A-b}"])
def test_a_reference_that_is_not_complete(written: str) -> None:
    assert resolve(f"a: '{written}'")[1] == [
        "f.yaml:1:4: a: a reference to the environment is not complete; write ${env:NAME}"
    ]
