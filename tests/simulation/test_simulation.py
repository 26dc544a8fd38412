"""One hundred thousand requests through simulated workers, and the bugs that this must find."""

from __future__ import annotations

import pytest

from harness.planted import Bug
from simulation.bugs import BUGS
from simulation.case import drawn
from simulation.code import REAL, bugged
from simulation.hunt import REQUESTS_OF_A_CASE, hunt
from simulation.shrinking import broken_laws, shrunk, story
from simulation.world import World

pytestmark = pytest.mark.hunt

REQUESTS = 100_000


def test_every_request_ends_once_whatever_happens(capsys: pytest.CaptureFixture[str]) -> None:
    result = hunt(0, REQUESTS)
    with capsys.disabled():
        print(f"\nsimulation: {result}")  # noqa: T201 - the figure is what one looks for
    if result.found is not None:
        pytest.fail(f"{story(shrunk(result.found))}\n\nseed {result.found.seed}, made small")
    assert result.requests >= REQUESTS
    assert result.compared > 0.8 * REQUESTS, "the reference interpreter is to judge most of them"


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_known_bug_is_found(bug: Bug) -> None:
    with bugged(bug) as code:
        result = hunt(0, REQUESTS, code=code)
    assert result.found is not None, f"nothing gave this bug away: {bug.name}"


def test_a_run_is_the_same_every_time() -> None:
    case = drawn(20, REQUESTS_OF_A_CASE)
    first, second = World(case, tells=True), World(case, tells=True)
    assert first.run() == second.run() == []
    assert first.story == second.story
    assert first.story


def test_a_run_that_breaks_a_law_becomes_a_small_story() -> None:
    [bug] = [each for each in BUGS if each.name == "what ends is remembered before it is written"]
    with bugged(bug) as code:
        found = hunt(0, REQUESTS, code=code).found
        assert found is not None
        small = shrunk(found, code)
        told = story(small, code)
    assert len(small.arrivals) <= 3
    assert broken_laws(small, REAL) == []
    lines = told.splitlines()
    times = [float(line[2:].partition("ms")[0]) for line in lines if line.startswith("t=")]
    assert times == sorted(times)
    assert lines[-1].startswith("BROKEN: ")
    assert len(lines) < 60
