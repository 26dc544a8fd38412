"""Random graphs and scenarios: the engine and the naive interpreter must agree on everything."""

from __future__ import annotations

import os
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, example, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from harness.planted import Bug
from oracle.model import Attempt, Graph, Output, Produces, Raises, Scenario, Step
from oracle.strategies import graphs, scenarios
from unit.engine.bugs import BUGS, installed
from unit.engine.differential import differences

pytestmark = pytest.mark.hunt

EXAMPLES: Final = int(os.environ.get("PENSTOCK_EXAMPLES", "1500"))
"""Fewer where the tests run again and again, more for a long soak."""

CASES = graphs().flatmap(lambda graph: st.tuples(st.just(graph), scenarios(graph)))
UNHURRIED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

TIED: Final = Graph(
    "p",
    (
        Step("a", timeout_ms=1),
        Step("b", inputs=("a",)),
        Step("c", inputs=("b",), triggers=("p", "a"), window_ms=1),
    ),
    Output(("c",)),
)
"""The attempt of a ends in the moment in which the window of c does."""

BESIDE: Final = Graph(
    "p", (Step("a"), Step("b", retries=1), Step("c", timeout_ms=1)), Output(("a",))
)
"""The answer needs a alone. A caller goes away between the attempts of b, or as that of c ends;
or there is no time for another attempt of b."""

AT_ONCE: Final = (Attempt(1, Produces(("y",))),)
FAILED: Final = (Attempt(1, Raises("overloaded", retriable=True)),)

RARELY_DRAWN: Final = (
    (TIED, Scenario(("x",), 100, dict.fromkeys("abc", (Attempt(2, Produces(("y",))),)))),
    (BESIDE, Scenario(("x",), 100, {"a": AT_ONCE, "b": FAILED, "c": AT_ONCE}, cancel_at_ms=30)),
    (BESIDE, Scenario(("x",), 100, {"a": AT_ONCE, "b": AT_ONCE, "c": AT_ONCE}, cancel_at_ms=1)),
    (BESIDE, Scenario(("x",), 30, {"a": AT_ONCE, "b": FAILED, "c": AT_ONCE})),
)
"""What a search may look for for minutes."""


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="CI" in os.environ,  # whether a change lands is up to the change alone
    suppress_health_check=UNHURRIED,
)
@example(case=RARELY_DRAWN[0])
@example(case=RARELY_DRAWN[1])
@example(case=RARELY_DRAWN[2])
@example(case=RARELY_DRAWN[3])
@given(case=CASES)
def test_engine_and_oracle_agree(case: tuple[Graph, Scenario]) -> None:
    assert differences(*case) == []


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_known_bug_is_found(bug: Bug) -> None:
    hunt = settings(
        max_examples=20_000,  # a hunt ends with the first find
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=UNHURRIED,
    )
    with installed(bug) as (engine, joins):

        def differs(case: tuple[Graph, Scenario]) -> bool:
            try:
                return bool(differences(*case, engine, joins))
            except Exception:
                return True

        if any(differs(case) for case in RARELY_DRAWN):
            return
        try:
            find(CASES, differs, settings=hunt)
        except NoSuchExample:
            pytest.fail(f"nothing gave this bug away: {bug.name}")
