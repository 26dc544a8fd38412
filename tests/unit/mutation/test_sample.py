"""Which mutants are tried."""

from __future__ import annotations

import pytest

from mutation.sample import WITHOUT_COMMIT, chosen, seed_of

NAMES = [f"penstock.core.engine.timers.x_{i}" for i in range(20)] + ["penstock.joins.any.x_1"]


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        ((), NAMES),
        (("penstock.joins.*",), NAMES[-1:]),
        (("*.x_1", "*.x_2"), [*NAMES[1:3], NAMES[-1]]),
    ],
)
def test_names_are_chosen_by_patterns(patterns: tuple[str, ...], wanted: list[str]) -> None:
    assert chosen(NAMES, patterns, None, 1) == wanted
    assert chosen(NAMES, patterns, len(wanted), 1) == wanted


def test_sample_is_drawn_by_its_seed_from_those_that_are_meant() -> None:
    first, again, other = (chosen(NAMES, ("*.engine.*",), 5, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(set(first)) == 5
    assert set(first) <= set(NAMES[:-1])


def test_each_commit_draws_by_a_seed_of_its_own() -> None:
    assert seed_of("454f9434d867cfe0e77ae5209cba8fc96f63afd4") == 0x454F9434
    assert seed_of("454f9435d867cfe0e77ae5209cba8fc96f63afd4") == 0x454F9435
    assert seed_of("") == WITHOUT_COMMIT
