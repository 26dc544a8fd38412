"""A thousand schedules of processes that share partitions, and the bugs that this must find."""

from __future__ import annotations

import pytest

from harness.planted import Bug
from unit.kafka.leases.bugs import BUGS
from unit.kafka.leases.case import drawn, with_many_streams
from unit.kafka.leases.code import bugged
from unit.kafka.leases.hunt import hunt, story
from unit.kafka.leases.world import MADE_GOOD_MS, World

pytestmark = pytest.mark.hunt

CASES = 1_000


def test_whatever_happens_a_partition_has_one_owner_and_gets_one() -> None:
    result = hunt(0, CASES)
    if result.found is not None:
        pytest.fail(f"{story(result.found)}\n\nseed {result.found}: {result.broken}")
    assert result.cases == CASES
    assert 1_000.0 < result.longest_ms < MADE_GOOD_MS, "deaths were seen, and made good in time"


def test_a_thousand_streams_of_one_partition_are_balanced() -> None:
    assert World(with_many_streams(0, streams=1_000)).run() == []


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_known_bug_is_found(bug: Bug) -> None:
    with bugged(bug) as code:
        result = hunt(0, CASES, code=code)
    assert result.found is not None, f"nothing gave this bug away: {bug.name}"


def test_a_run_is_the_same_every_time() -> None:
    first, second = (World(drawn(20), tells=True) for _ in range(2))
    assert first.run() == second.run() == []
    assert first.story == second.story
    assert first.story
