"""Trails of requests through experiments, as texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.experiments.trails import MAX_LENGTH, read_trail, written_trail

NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,8}[A-Za-z0-9])?", fullmatch=True)


@given(st.dictionaries(NAMES, NAMES))
def test_a_trail_is_read_as_it_was_written(steps: dict[str, str]) -> None:
    text = written_trail(steps.items())
    if len(text) <= MAX_LENGTH:
        assert read_trail(text) == steps


@given(st.text())
def test_whatever_a_caller_sends_is_a_trail_or_none(text: str) -> None:
    for experiment, arm in read_trail(text).items():
        assert experiment
        assert arm


def test_what_is_no_trail_says_nothing() -> None:
    for text in (None, "", ":", "::", ":model_1:", "a", ":a.:", ":.b:", ":a.b:" * MAX_LENGTH):
        assert read_trail(text) == {}
