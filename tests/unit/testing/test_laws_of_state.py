"""Laws of joins that keep state: broken by joins, and what is shown of that."""

from __future__ import annotations

import pytest

from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Keep,
    Run,
    Skip,
    SourceState,
    Wait,
)
from penstock.testing import JoinLaws
from penstock.testing.laws import BrokenLawError


class Remembers(JoinStrategy):
    """Runs with the second source of an earlier request, without looking whether there is one."""

    scope = "key"
    keep = Keep()

    def check(self, sources: tuple[str, ...]) -> None:
        if len(sources) != 2:
            raise ValueError("two sources")

    def decide(self, view: JoinView) -> Decision:
        if view.sources[0].state is SourceState.OPEN and not view.window_ended:
            return Wait()
        if view.sources[0].state is not SourceState.VALUE:
            return Skip("nothing drives it")
        return Run((0, 1), kept=((1, 0),))


class Careful(Remembers):
    """The same, but it looks."""

    def decide(self, view: JoinView) -> Decision:
        decision = super().decide(view)
        return Run((0,)) if isinstance(decision, Run) and not view.sources[1].kept else decision


class Surprised(Careful):
    """Cannot stand what only an earlier request brought."""

    def decide(self, view: JoinView) -> Decision:
        if any(each.kept and each.state is not SourceState.VALUE for each in view.sources):
            raise LookupError("there is state")
        return super().decide(view)


ARRIVALS = {
    f"     0 ms  {source} ends {state}"
    for source in "ab"
    for state in ("as value", "absent", "failed")
}


def laws_of(strategy: JoinStrategy) -> JoinLaws:
    class Laws(JoinLaws):
        join = strategy

    return Laws()


def test_a_kept_record_that_is_not_there() -> None:
    with pytest.raises(BrokenLawError) as broken:
        laws_of(Remembers()).test_answer_stands_on_what_is_there()
    assert str(broken.value).splitlines() == [
        "An answer is a Wait, a Run with values, or a Skip with a reason",
        "sources: a, b",
        "     0 ms  a ends as value",
        "then: answered Run((0, 1))",
        "expected: a kept record that is there, which 0 of source 1 is not",
    ]


def test_what_needs_an_earlier_request_is_found_and_shown() -> None:
    with pytest.raises(BrokenLawError) as broken:
        laws_of(Surprised()).test_answer_stands_on_what_is_there()
    *before, arrival, then, expected = str(broken.value).splitlines()
    assert before == [
        "An answer is a Wait, a Run with values, or a Skip with a reason",
        "sources: a, b",
        "earlier, a request of the same key with b",
    ]
    # Any one arrival shows it; which is left when all others are gone is the shrinker's affair.
    assert arrival in ARRIVALS
    assert (then, expected) == ("then: raised LookupError: there is state", "expected: an answer")
