"""The tables of states: whole, drawn as they are, and what the code is held to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.core.control.states import (
    PIPELINE_REASONS,
    PIPELINE_STATES,
    VERSION_REASONS,
    VERSION_STATES,
)
from penstock.core.control.states_page import states_page
from penstock.core.fleet.states import COPY_STATES, SERVER_STATES
from penstock.core.states import StateTable

PAGE = Path(__file__).parents[3] / "docs/reference/states.md"
TABLES: list[StateTable[Any]] = [VERSION_STATES, COPY_STATES, SERVER_STATES, PIPELINE_STATES]

each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


def test_the_page_of_the_documentation_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == states_page(), (
        "run: python -m penstock.core.control.states_page docs/reference/states.md"
    )


@each_table
def test_every_state_is_come_to_and_one_is_the_last(table: StateTable[Any]) -> None:
    reached = {table.start}
    while more := {turn.after for turn in table.turns if turn.before in reached} - reached:
        reached |= more
    assert reached == set(table.states)
    assert table.ends == ("gone",)


@each_table
def test_a_turn_stands_once_and_its_words_are_none_of_mermaids(table: StateTable[Any]) -> None:
    pairs = [(turn.before, turn.after) for turn in table.turns]
    assert len(set(pairs)) == len(pairs)
    assert not any(set(":;#") & set(turn.because) for turn in table.turns)


@each_table
def test_what_no_turn_leads_to_is_an_error(table: StateTable[Any]) -> None:
    for turn in table.turns:
        assert table.turned(turn.before, turn.after) == turn.after
    with pytest.raises(AssertionError, match=f"a {table.name} that is 'gone' cannot be"):
        table.turned("gone", table.start)


def test_every_state_says_what_its_status_may() -> None:
    assert list(VERSION_REASONS) == list(VERSION_STATES.states)
    assert list(PIPELINE_REASONS) == list(PIPELINE_STATES.states)
