"""The keeper: what it brings about, and what it remembers from process to process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.core.errors import InvalidRequestError, NotFoundError
from penstock.core.experiments.keeper import LOOK_S, LOOKS_PER_RECORD
from penstock.core.experiments.reports import Report
from penstock.core.experiments.tally import ArmKey
from unit.experiments.declarations import answers, experiment
from unit.experiments.desk import Keeping

GUARD: dict[str, Any] = {"maxErrorRate": 0.05}
STEPS = [{"weight": 5, "holdMs": 5_000, "minRequests": 50}, {"weight": 100}]


def failed() -> Any:
    return answers(200, failures=100)


async def test_an_arm_that_fails_is_rolled_back_and_the_status_says_why() -> None:
    at = Keeping()
    assert at.want(experiment(guard=GUARD)) == (90.0, 10.0)
    await at.after(1_000, old=answers(900), new=answers(100))
    assert at.desk.weights == {}
    holds = at.condition("GuardHolds")
    assert holds is not None
    assert holds.status == "True"
    await at.after(1_000, new=failed())
    assert at.weights == (100.0, 0.0)
    holds, settled = at.condition("GuardHolds"), at.condition("Settled")
    assert holds is not None
    assert settled is not None
    assert (holds.status, holds.reason) == ("False", "RolledBack")
    assert "spec.guard.maxErrorRate is 0.05" in settled.message
    weights = at.condition("WeightsFromManifest")
    assert weights is not None
    assert weights.message.startswith(
        "'old' has 100 %, 'new' has 0 %: arm 'new': 33.3% of 300 requests failed"
    )


async def test_it_stays_rolled_back_in_the_next_process_until_the_manifest_changes() -> None:
    first = Keeping()
    first.want(experiment(guard=GUARD))
    await first.after(1_000, new=failed())
    second = Keeping(first)
    assert second.want(experiment(guard=GUARD)) == (100.0, 0.0)
    await second.after(1_000, old=answers(10_000))
    assert second.weights is None, "they are in force from the beginning"
    third = Keeping(second)
    assert third.want(experiment(guard={"maxErrorRate": 0.5}), version=2) == (90.0, 10.0)


async def test_a_guard_may_only_report() -> None:
    at = Keeping()
    at.want(experiment(guard={**GUARD, "action": "report"}))
    await at.after(1_000, new=failed())
    holds = at.condition("GuardHolds")
    assert holds is not None
    assert holds.reason == "BoundCrossed"
    assert at.weights is None
    assert at.condition("Settled") is None


async def test_a_rollout_goes_on_by_time_and_requests() -> None:
    at = Keeping()
    assert at.want(experiment(rollout={"steps": STEPS})) == (95.0, 5.0)
    await at.after(4_000, new=answers(50))
    assert at.desk.weights == {}
    rolling = at.condition("RollingOut")
    assert rolling is not None
    assert rolling.message == "step 1 of 2: 'new' has 5 %"
    await at.after(1_000)
    assert at.weights == (0.0, 100.0)
    await at.after(1_000)
    rolling = at.condition("RollingOut")
    assert rolling is not None
    assert (rolling.status, rolling.reason) == ("False", "RolloutDone")


async def test_a_rollout_goes_on_in_the_next_process() -> None:
    first = Keeping()
    first.want(experiment(rollout={"steps": STEPS}))
    await first.after(3_000, new=answers(50))
    await first.keeper.record()
    second = Keeping(first)
    assert second.want(experiment(rollout={"steps": STEPS})) == (95.0, 5.0)
    await second.after(2_000)
    assert second.weights == (0.0, 100.0)
    third = Keeping(second)
    assert third.want(experiment(rollout={"steps": STEPS})) == (0.0, 100.0)


async def test_a_rollout_that_is_rolled_back_stays_back() -> None:
    at = Keeping()
    at.want(experiment(rollout={"steps": STEPS}, guard=GUARD))
    await at.after(5_000, new=failed())
    assert at.weights == (100.0, 0.0)
    await at.after(50_000, old=answers(1_000))
    assert at.weights == (100.0, 0.0)
    rolling = at.condition("RollingOut")
    assert rolling is not None
    assert (rolling.status, rolling.reason) == ("False", "Settled")


async def test_a_bandit_gives_more_to_the_better_arm_and_does_not_fidget() -> None:
    at = Keeping()
    at.want(experiment(bandit={"name": "thompson", "parameters": {"minShare": 0.1}}))
    await at.after(1_000, old=answers(500, failures=100), new=answers(500, failures=5))
    assert at.weights == (10.0, 90.0)
    told = at.desk.told
    for requests in (0, 1) * 10:
        await at.after(1_000, old=answers(requests))
    assert at.desk.told == told


async def test_a_bandit_that_has_seen_nothing_leaves_the_weights() -> None:
    at = Keeping()
    assert at.want(experiment(bandit={"name": "thompson"})) == (90.0, 10.0)
    await at.after(1_000)
    assert at.desk.weights == {}


async def test_old_requests_count_less_to_a_bandit_that_wants_it() -> None:
    parameters = {"halfLifeS": 60.0, "minShare": 0.1}
    at = Keeping()
    at.want(experiment(bandit={"name": "thompson", "parameters": parameters}))
    await at.after(1_000, old=answers(2_000, failures=1_000), new=answers(2_000))
    assert at.weights == (10.0, 90.0)
    await at.after(1_200_000, old=answers(1))
    await at.after(1_000, old=answers(100), new=answers(100, failures=90))
    assert at.weights == (90.0, 10.0)


async def test_a_bandit_takes_over_after_a_rollout() -> None:
    at = Keeping()
    at.want(experiment(rollout={"steps": [{"weight": 50}]}, bandit={"name": "thompson"}))
    await at.after(1_000, old=answers(500, failures=400), new=answers(500))
    assert at.weights is not None
    assert at.weights[1] > 90.0


async def test_a_bandit_that_cannot_be_made_leaves_the_weights_and_says_so() -> None:
    at = Keeping()
    assert at.want(experiment(bandit={"name": "tomson"})) == (90.0, 10.0)
    await at.after(1_000, old=answers(100))
    works = at.condition("BanditWorks")
    assert works is not None
    assert "there is no 'tomson'" in works.message
    assert at.weights is None


async def test_metrics_that_cannot_be_made_are_named_in_the_status() -> None:
    at = Keeping()
    metrics = [{"name": "a", "measure": "tensor-mean"}, {"name": "b", "measure": "median"}]
    at.want(experiment(metrics=metrics))
    work = at.condition("MetricsWork")
    assert work is not None
    assert work.message == "the metric 'b' has no values: there is no 'median'"


async def test_an_operator_settles_it_and_the_guard_goes_on() -> None:
    at = Keeping()
    at.want(experiment(guard=GUARD))
    await at.keeper.settle("trial", "new")
    assert at.weights == (0.0, 100.0)
    settled = at.condition("Settled")
    assert settled is not None
    assert settled.reason == "ByOperator"
    await at.after(1_000, new=failed())
    assert at.weights == (100.0, 0.0)
    await at.keeper.settle("trial", None)
    with pytest.raises(NotFoundError, match="did you mean 'new'"):
        await at.keeper.settle("trial", "news")
    with pytest.raises(NotFoundError, match="did you mean 'trial'"):
        await at.keeper.settle("trail", None)


async def test_a_report_has_all_that_came_also_before_this_process() -> None:
    first = Keeping()
    first.want(experiment())
    await first.after(1_000, old=answers(100), new=answers(50, failures=1))
    await first.keeper.record()
    second = Keeping(first)
    second.want(experiment())
    await second.after(1_000, new=answers(50))
    report = second.keeper.report("trial", None, 0.95)
    assert (report["baseline"], report["since_ms"]) == ("old", 0.0)
    assert [(each["arm"], each["requests"], each["share"]) for each in report["arms"]] == [
        ("old", 100, 90.0),
        ("new", 100, 10.0),
    ]
    assert second.keeper.report("trial", "new", 0.9)["arms"][1]["verdict"] == "baseline"
    with pytest.raises(InvalidRequestError, match="confidence"):
        second.keeper.report("trial", None, 95.0)
    with pytest.raises(NotFoundError, match="no arm 'nw'; did you mean 'new'"):
        second.keeper.report("trial", "nw", 0.95)


async def test_what_came_of_another_version_or_is_unknown_does_not_count() -> None:
    at = Keeping()
    at.want(experiment(), version=2)
    await at.after(1_000, version=1, new=answers(10))
    await at.after(1_000, version=2, other=answers(10))
    assert all(not each["requests"] for each in at.keeper.report("trial", None, 0.95)["arms"])


async def test_a_full_disk_does_not_keep_an_arm_that_fails() -> None:
    at = Keeping()
    at.want(experiment(guard=GUARD))
    at.desk.full = True
    await at.after(1_000, new=failed())
    assert at.weights == (100.0, 0.0)
    at.desk.full = False
    await at.keeper.record()
    assert at.desk.recorded["trial"]["settled"]["arm"] == "old"


async def test_an_experiment_that_is_deleted_is_forgotten() -> None:
    at = Keeping()
    at.want(experiment())
    await at.keeper.record()
    at.keeper.drop("trial")
    await at.keeper.record()
    assert at.desk.recorded == {}
    assert Keeping(at).want(experiment()) == (90.0, 10.0)


async def test_an_experiment_that_comes_back_with_an_old_version_begins_anew() -> None:
    first = Keeping()
    first.want(experiment(guard=GUARD))
    await first.after(1_000, new=failed())
    second = Keeping(first)
    other = experiment(candidates=[{"name": "a", "weight": 1}, {"name": "b", "weight": 1}])
    assert second.want(other) == (1.0, 1.0)
    assert [each["requests"] for each in second.keeper.report("trial", None, 0.95)["arms"]] == [
        0,
        0,
    ]


async def test_what_came_up_to_the_end_is_recorded() -> None:
    at = Keeping()
    at.want(experiment())
    at.tallies.add([(ArmKey("trial", 1, "new"), answers(3))])
    await at.keeper.close()
    assert at.desk.recorded["trial"]["arms"]["new"]["requests"] == 3


async def test_it_looks_every_second_and_records_now_and_then() -> None:
    at = Keeping()
    looked = asyncio.Event()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > LOOKS_PER_RECORD:
            looked.set()
            await asyncio.Event().wait()

    at.keeper._sleep = sleep
    at.want(experiment())
    running = asyncio.create_task(at.keeper.run())
    await looked.wait()
    running.cancel()
    assert set(waits) == {LOOK_S}
    assert list(at.desk.recorded) == ["trial"]


async def test_reports_are_recorded_with_what_they_say() -> None:
    at = Keeping()
    at.want(experiment(guard=GUARD))
    came = ((ArmKey("trial", 1, "old"), answers(3)),)
    at.reports.hear("gateway", Report(1, came))
    await at.after(1_000)
    assert at.reports.kept("gateway") == 0, "it goes with the process"
    at.desk.full = True
    await at.keeper.record()
    assert at.reports.kept("gateway") == 0
    at.desk.full = False
    await at.keeper.record()
    assert at.reports.kept("gateway") == 1
    following = Keeping(at)
    following.want(experiment(guard=GUARD))
    assert following.reports.kept("gateway") == 1
    following.reports.hear("gateway", Report(1, came))
    following.reports.hear("gateway", Report(2, came))
    await following.after(1_000)
    assert following.keeper.trials["trial"].totals["old"].requests == 6


async def test_a_decision_is_recorded_with_all_that_came_before_it() -> None:
    at = Keeping()
    at.want(experiment(guard=GUARD))
    other = experiment("other")
    at.want(other)
    at.reports.hear("gateway", Report(1, ((ArmKey("other", 1, "old"), answers(3)),)))
    await at.after(1_000, new=failed())
    assert at.reports.kept("gateway") == 1
    assert at.desk.recorded["other"]["arms"]["old"]["requests"] == 3


async def test_a_rollout_stands_still_while_its_candidate_cannot_answer() -> None:
    at = Keeping()
    at.want(experiment(rollout={"steps": [{"weight": 5, "holdMs": 5_000}, {"weight": 100}]}))
    at.desk.away = {"new": "it is not there"}
    for _ in range(20):
        await at.after(1_000)
    rolling = at.condition("RollingOut")
    assert rolling is not None
    assert rolling.message == (
        "step 1 of 2: 'new' has 5 %; it stands still, since 'new' cannot answer"
    )
    assert [arm["silent"] for arm in at.keeper.report("trial", None, 0.95)["arms"]] == [
        None,
        "it is not there",
    ]
    at.desk.away = {}
    await at.after(4_000)
    assert at.desk.weights == {}, "it has not had its time yet"
    await at.keeper.record()
    following = Keeping(at)
    following.want(experiment(rollout={"steps": [{"weight": 5, "holdMs": 5_000}, {"weight": 100}]}))
    await following.after(500)
    assert following.desk.weights == {}
    await following.after(500)
    assert following.weights == (0.0, 100.0)


async def test_nothing_is_rolled_back_to_a_baseline_that_cannot_answer() -> None:
    at = Keeping()
    at.want(experiment(guard=GUARD))
    at.desk.away = {"old": "it is not there"}
    await at.after(1_000, new=failed())
    assert at.weights is None
    holds = at.condition("GuardHolds")
    assert holds is not None
    assert holds.message.endswith("; not rolled back, since 'old' cannot answer")
    at.desk.away = {}
    await at.after(1_000, new=failed())
    assert at.weights == (100.0, 0.0)
