"""What servers say of errors, and what they call models."""

from __future__ import annotations

import pytest

from penstock.core.names import name_of_copy
from penstock.servers.child.server import without_traceback

TRITON = """the server at grpc://h:1 says: INTERNAL load failed: version 1: Internal: \
ModuleNotFoundError: No module named 'x'

At:
  /models/bad_1/1/model.py(1): <module>
  <frozen importlib._bootstrap>(241): _call_with_frames_removed
;
; load it there, or correct its name"""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("one line; and advice", "one line; and advice"),
        ("two\n  lines \n", "two lines"),
        (
            TRITON,
            "the server at grpc://h:1 says: INTERNAL load failed: version 1: Internal: "
            "ModuleNotFoundError: No module named 'x'; load it there, or correct its name",
        ),
        ("it failed:\nTraceback (most recent call last):\n  File 'x'\nOSError: x", "it failed:"),
        ("an end of nothing;\n", "an end of nothing"),
    ],
)
def test_tracebacks_are_left_out(said: str, shown: str) -> None:
    assert without_traceback(said) == shown


def test_no_two_versions_have_one_name() -> None:
    assert name_of_copy("a", 12, ()) == "a_12"
    assert name_of_copy("a_1", 2, ()) == "a_1_2"
    assert name_of_copy("a", 1, {"a_1"}) == "a_1-2"
    assert name_of_copy("a", 1, {"a_1", "a_1-2"}) == "a_1-3"
