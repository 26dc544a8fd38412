"""What a report says of arms."""

from __future__ import annotations

import json
import random

import pytest

from penstock.core.experiments.comparison import (
    ArmReport,
    Measure,
    Question,
    compare,
    report_document,
)
from penstock.core.experiments.tally import Tally


def arm(
    requests: int, failures: int = 0, around_ms: float = 10.0, score: float | None = None
) -> Tally:
    """Latencies spread by 20 % and scores by 0.1, the same for each call."""
    chance = random.Random(5)
    tally = Tally()
    for index in range(requests):
        latency_ms = around_ms * chance.uniform(0.8, 1.2)
        tally.count(latency_ms, failed=index < failures)
        if score is not None:
            tally.measure({"score": chance.gauss(score, 0.1)})
    return tally


def report(**arms: Tally) -> ArmReport:
    """That of the arm ``new`` beside ``old``."""
    question = Question("old", metrics={"score": "higher"} if "scored" in arms else {})
    arms.pop("scored", None)
    return next(each for each in compare(arms, question) if each.arm == "new")


def measure(of: ArmReport, name: str) -> Measure:
    return next(each for each in of.measures if each.name == name)


def test_an_arm_that_fails_more_is_worse() -> None:
    new = report(old=arm(2_000, 10), new=arm(2_000, 100))
    assert new.verdict == measure(new, "failures").verdict == "worse"
    apart = measure(new, "failures").difference
    assert apart is not None
    assert apart.low > 0.0


def test_an_arm_that_fails_less_is_better() -> None:
    assert report(old=arm(2_000, 100), new=arm(2_000, 10)).verdict == "better"


def test_a_slower_arm_is_worse_whatever_else_is_better() -> None:
    new = report(old=arm(3_000, 150), new=arm(3_000, 10, around_ms=15.0))
    assert measure(new, "failures").verdict == "better"
    assert measure(new, "p95").verdict == new.verdict == "worse"


def test_with_enough_data_no_difference_is_said() -> None:
    new = report(old=arm(5_000, 50), new=arm(5_000, 50))
    assert new.verdict == "no difference seen"
    assert new.needed is None


def test_without_enough_data_it_says_how_many_are_needed() -> None:
    new = report(old=arm(100, 1), new=arm(100, 1))
    assert new.verdict == "not enough data"
    assert new.needed is not None
    assert new.needed > 100


def test_with_none_at_all_nothing_is_said() -> None:
    new = report(old=Tally(), new=Tally())
    assert new.verdict == "not enough data"
    assert new.needed is not None


@pytest.mark.parametrize(("score", "verdict"), [(0.6, "better"), (0.4, "worse")])
def test_a_metric_says_what_is_better(score: float, verdict: str) -> None:
    question = Question("old", metrics={"score": "higher"})
    arms = {"old": arm(2_000, score=0.5), "new": arm(2_000, score=score)}
    assert compare(arms, question)[1].verdict == verdict
    lower = compare(arms, question._replace(metrics={"score": "lower"}))[1].verdict
    assert {verdict, lower} == {"better", "worse"}


def test_a_metric_of_which_nothing_is_better_is_only_shown() -> None:
    arms = {"old": arm(5_000, score=0.5), "new": arm(5_000, score=0.6)}
    new = compare(arms, Question("old", metrics={"score": None}))[1]
    assert measure(new, "score").verdict == "different"
    assert new.verdict == "no difference seen"


def test_the_baseline_is_not_compared_with_itself() -> None:
    base, _ = compare({"old": arm(10), "new": arm(10)}, Question("old"))
    assert base.verdict == "baseline"
    assert all(each.difference is None for each in base.measures)


def test_a_report_is_json_without_infinities() -> None:
    reports = compare({"old": Tally(), "new": arm(3)}, Question("old", metrics={"score": None}))
    document = report_document(reports)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document[1]["requests"] == 3


@pytest.mark.hunt
def test_equal_arms_are_seldom_said_to_differ() -> None:
    chance = random.Random(6)

    def drawn() -> Tally:
        tally = Tally()
        for _ in range(400):
            tally.count(chance.lognormvariate(2.0, 0.5), failed=chance.random() < 0.05)
            tally.measure({"score": chance.gauss(0.0, 1.0)})
        return tally

    runs = 200
    wrong = 0
    for _ in range(runs):
        arms = {name: drawn() for name in ("old", "new", "other")}
        said = compare(arms, Question("old", metrics={"score": "higher"}))
        wrong += any(each.verdict in ("better", "worse") for each in said)
    assert wrong / runs < 0.09
