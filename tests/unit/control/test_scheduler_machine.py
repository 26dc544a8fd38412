"""The scheduler under all that may happen to it, and the bugs that this must find."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from harness.planted import Bug
from penstock.core.control.states import PIPELINE_STATES, VERSION_STATES
from penstock.core.fleet.states import COPY_STATES, SERVER_STATES
from penstock.core.states import StateTable
from unit.control.scheduler_bugs import BUGS, installed
from unit.control.scheduler_machine import SchedulerMachine
from unit.control.scheduler_stories import STORIES, told

pytestmark = pytest.mark.hunt

EXAMPLES: Final = int(os.environ.get("PENSTOCK_EXAMPLES", "100"))

SETTINGS: Final = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

ONCE: Final = settings(
    SETTINGS, max_examples=100, database=None, derandomize=True, phases=[Phase.generate]
)
"""The same steps each time, and none made fewer: that something is found is enough."""


OF_AGENTS: Final = {
    ("server replica", "draining", "up"),
    ("server replica", "starting", "gone"),
    ("server replica", "up", "gone"),
}
"""Turns of replicas in other processes, which this world has none of."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What goes wrong in these worlds is no news."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_the_laws_hold_and_every_turn_of_the_tables_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: Counter[tuple[str, str, str]] = Counter()
    turned = StateTable.turned

    def noted(table: StateTable[str], before: str, after: str) -> str:
        taken[table.name, before, after] += 1
        return turned(table, before, after)

    monkeypatch.setattr(StateTable, "turned", noted)
    all_that_may_happen(SchedulerMachine, SETTINGS)
    never = [
        (table.name, turn.before, turn.after)
        for table in (VERSION_STATES, COPY_STATES, SERVER_STATES, PIPELINE_STATES)
        for turn in table.turns
        if not taken[table.name, turn.before, turn.after]
    ]
    assert set(never) == OF_AGENTS, "a table has turns that nothing takes"


def all_that_may_happen(machine: type[SchedulerMachine], by: settings) -> None:
    for story in STORIES:
        told(story, machine)
    run_state_machine_as_test(machine, settings=by)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_known_bug_is_found(bug: Bug) -> None:
    with installed(bug) as made_by:
        machine = type("BuggedMachine", (SchedulerMachine,), {"made_by": made_by})
        with pytest.raises(AssertionError):
            all_that_may_happen(machine, ONCE)
