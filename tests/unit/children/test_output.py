"""What a server prints, cut into lines."""

from __future__ import annotations

import logging

import pytest

from penstock.core.children.output import KEPT_LINES, LONGEST_LINE, Output


def test_lines_are_passed_on_when_they_are_whole(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    output = Output("s/0")
    output.feed(b"o")
    output.feed(b"ne\ntwo\r\n\n  \nthr")
    output.feed("ee: grüß".encode()[:-1])
    assert list(output.last) == ["one", "two"]
    output.feed(b"\x9f\n\xff")
    output.finish()
    said = ["one", "two", "three: grüß", "\N{REPLACEMENT CHARACTER}"]
    assert list(output.last) == said
    assert [record.message for record in caplog.records] == [f"s/0: {line}" for line in said]


def test_nothing_grows_without_a_bound() -> None:
    output = Output("s")
    for number in range(1000):
        output.feed(b"%d\n" % number)
    assert len(output.last) == KEPT_LINES
    output.feed(b"x" * (3 * LONGEST_LINE + 10))
    assert len(output.last[-1]) < LONGEST_LINE
    output.feed(b"\n")
    assert output.last[-1] == "x" * 10
