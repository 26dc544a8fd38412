"""Random visits through the engine and through the rules as they are written: both agree."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import penstock.core.engine
from harness.planted import Bug
from penstock.core.engine import Call
from penstock.core.plan import Plan
from penstock.core.records import Absent, Failed, Tensors
from penstock.core.simulation import Outcome, Simulation
from penstock.core.tensors import Tensor
from penstock.testing.scripts import Reaction
from unit.engine.batch_rules import (
    BACKOFF_MS,
    DURATION_MS,
    Interpreter,
    Rules,
    Story,
    TieError,
    Visitor,
)
from unit.engine.bugs import BATCH_BUGS, installed
from unit.engine.running import compiled

pytestmark = pytest.mark.hunt

RULES = st.builds(
    Rules,
    size=st.integers(1, 6),
    window_ms=st.sampled_from([0, 1, 5, 20]),
    retries=st.integers(0, 2),
    timeout_ms=st.sampled_from([None, None, 2, 50]),
)


@st.composite
def visitors(draw: st.DrawFn) -> list[Visitor]:
    """Some that come within a short time, each at a moment of its own."""
    found = []
    for number in range(draw(st.integers(1, 12))):
        cancel = draw(st.none() | st.none() | st.integers(0, 30))
        found.append(
            Visitor(
                number,
                # No two at one moment: what comes first then is not what is tested here.
                draw(st.integers(0, 25)) + number * 0.017,
                draw(st.integers(0, 7)),
                draw(st.none() | st.integers(0, 1) | st.just(0)),
                draw(st.sampled_from([2.2, 6.4, 30.6, 1000.0, 1000.0])),
                None if cancel is None else cancel + 0.0011,
                poisoned=draw(st.integers(0, 9)) == 0,
                flaky=draw(st.integers(0, 6)) == 0,
            )
        )
    return found


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(RULES, visitors())
def test_engine_does_what_the_rules_say(rules: Rules, coming: list[Visitor]) -> None:
    try:
        wanted = Interpreter(rules, coming).play()
    except TieError:
        reject()
    assert rounded(played(rules, coming)) == rounded(wanted)


@pytest.mark.parametrize("bug", BATCH_BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_known_bug_is_found(bug: Bug) -> None:
    hunt = settings(
        max_examples=5000,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with installed(bug) as (engine, _):

        def differs(case: tuple[Rules, list[Visitor]]) -> bool:
            try:
                wanted = Interpreter(*case).play()
            except TieError:
                return False
            try:
                return rounded(played(*case, engine)) != rounded(wanted)
            except Exception:
                return True

        try:
            find(st.tuples(RULES, visitors()), differs, settings=hunt)
        except NoSuchExample:
            pytest.fail(f"nothing gave this bug away: {bug.name}")


def test_rules_and_scenarios_do_share_calls() -> None:
    """The comparison is worth nothing if nothing ever happens in it."""
    coming = [Visitor(number, number * 0.1, 2, 0, 1000.0) for number in range(4)]
    assert Interpreter(Rules(4, 5), coming).play().calls == [(0.1, (0, 1)), (0.1 * 3, (2, 3))]


def played(
    rules: Rules, coming: Sequence[Visitor], engine: ModuleType = penstock.core.engine
) -> Story:
    """What the engine makes of it; every answer is looked at as well."""
    story = Story()
    spent: set[int] = set()

    def react(call: Call) -> Reaction:
        numbers = tuple(int(each) for each in call.origin.identities)
        members = [coming[number] for number in numbers]
        story.calls.append((simulation.clock.now_ms(), numbers))
        assert call.tensors[0].array.tolist() == [row for v in members for row in rows_of(v)]
        flaky = {each.number for each in members if each.flaky} - spent
        if flaky:
            spent.update(flaky)
            return Reaction(DURATION_MS, Failed("overloaded", "later", None, True))
        if any(each.poisoned for each in members):
            return Reaction(DURATION_MS, Failed("step-failed", "no", None, False))
        return Reaction(DURATION_MS, doubled)

    simulation = Simulation(react, package=engine)
    outcomes = {each.number: begun(simulation, plan_of(rules), each) for each in coming}
    simulation.run()
    assert simulation.engine.open_passages == 0
    for visitor in coming:
        story.ends[visitor.number] = ended(visitor, outcomes[visitor.number])
    return story


def plan_of(rules: Rules) -> Plan:
    """One step. All visits of a scenario have to be of one plan."""
    if rules not in PLANS:
        step = {
            "name": "a",
            "batch": {"size": rules.size, "windowMs": rules.window_ms},
            "retries": rules.retries,
            "retryBackoffMs": BACKOFF_MS,
            "timeoutMs": rules.timeout_ms,
        }
        PLANS[rules] = compiled({"steps": [step], "output": {"steps": ["a"]}})
    return PLANS[rules]


PLANS: dict[Rules, Plan] = {}


def rows_of(visitor: Visitor) -> list[list[int]]:
    """Every row says whose it is; the second axis is that of the kind."""
    width = 9 if visitor.kind is None else visitor.kind + 1
    return [[100 * visitor.number + row] * width for row in range(visitor.rows)]


def tensors_of(visitor: Visitor) -> Tensors:
    """One that fits no other has a second tensor with rows of another number."""
    width = 9 if visitor.kind is None else visitor.kind + 1
    rows = np.array(rows_of(visitor), dtype="i4").reshape(visitor.rows, width)
    tensor = Tensor("x", "INT32", rows.shape, rows.tobytes())
    if visitor.kind is not None:
        return (tensor,)
    return (tensor, Tensor("odd", "INT8", (visitor.rows + 1,), bytes(visitor.rows + 1)))


def doubled(call: Call) -> Tensors:
    return (Tensor.from_numpy("y", call.tensors[0].array * 2),)


def begun(simulation: Simulation, plan: Plan, visitor: Visitor) -> Outcome:
    cancel_ms = None if visitor.cancel_ms is None else visitor.at_ms + visitor.cancel_ms
    return simulation.begin(
        plan,
        tensors_of(visitor),
        deadline_ms=visitor.deadline_ms,
        at_ms=visitor.at_ms,
        cancel_ms=cancel_ms,
        identity=str(visitor.number),
    )


def ended(visitor: Visitor, outcome: Outcome) -> tuple[float, str]:
    """When and how a request ended; its answer is made of its own rows."""
    body = outcome.answer
    assert len(outcome.closed_ms) == 1
    assert not isinstance(body, Absent)
    if isinstance(body, Failed):
        return outcome.answered_ms, body.code
    expected = [[2 * value for value in row] for row in rows_of(visitor)]
    assert body[0].array.tolist() == expected
    assert body[0].shape[0] == visitor.rows
    return outcome.answered_ms, "ok"


def rounded(story: Story) -> Story:
    """Sums of the same numbers in another order are not quite the same."""
    return Story(
        [(round(at_ms, 6), numbers) for at_ms, numbers in story.calls],
        {number: (round(at_ms, 6), how) for number, (at_ms, how) in sorted(story.ends.items())},
    )
