"""``penstock experiment`` against a running server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from harness.command_line import Penstock

TRIAL = """\
kind: Experiment
metadata: {name: trial}
spec:
  candidates: [{name: one, weight: 50}, {name: broken, weight: 50}]
  metrics: [{name: size, measure: response-bytes}]
"""
BODY = json.dumps(
    {"inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [1]}]}
).encode()


@pytest.fixture(scope="module")
def trial(penstock: Penstock) -> Penstock:
    """A server with an experiment, which has had 60 requests."""
    (penstock.folder / "trial.yaml").write_text(TRIAL)
    assert penstock("apply", "trial.yaml").code == 0
    assert penstock("status", "--wait").code == 0
    assert set(statuses(penstock, 60)) == {200, 500}
    return penstock


def statuses(at: Penstock, requests: int) -> list[int]:
    """How so many requests end."""
    ended = []
    for _ in range(requests):
        url = f"http://{at.rest}/v2/models/trial.experiment/infer"
        request = urllib.request.Request(url, BODY, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30.0) as answer:
                ended.append(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                ended.append(error.code)
    return ended


def test_a_report_compares_the_arms(trial: Penstock) -> None:
    done = trial("experiment", "report", "trial")
    assert done.code == 0, done.err
    assert done.out.startswith("experiment 'trial', version 1, since ")
    assert "the weights of the manifest" in done.out
    assert "broken: 50 % of the traffic, " in done.out
    [failures] = [line for line in done.out.splitlines() if line.startswith("broken  failures")]
    assert "100.00%" in failures
    assert failures.rstrip().endswith("worse")

    document = trial("experiment", "report", "trial", "-o", "json").document
    one, broken = document["arms"]
    assert one["requests"] + broken["requests"] == 60
    assert broken["failures"] == broken["requests"]
    assert broken["verdict"] == "worse"
    size = next(each for each in one["measures"] if each["name"] == "size")
    assert (size["value"], size["low"], size["high"]) == (8.0, 8.0, 8.0)
    url = f"http://{trial.rest}/v1/experiments/trial/report"
    with urllib.request.urlopen(url, timeout=30.0) as answer:
        assert json.load(answer) == document


def test_it_says_when_there_is_not_enough_data(trial: Penstock) -> None:
    document = trial(
        "experiment", "report", "trial", "--baseline", "broken", "--confidence", "0.9", "-o", "json"
    ).document
    assert (document["baseline"], document["confidence"]) == ("broken", 0.9)
    one = document["arms"][0]
    p95 = next(each for each in one["measures"] if each["name"] == "p95")
    assert p95["verdict"] == "not enough data"
    assert p95["needed"] > 0
    done = trial("experiment", "report", "trial", "--baseline", "broken")
    assert f"not enough data ({p95['needed']} requests)" not in done.out, "at 95 % more are needed"
    assert "not enough data (" in done.out


def test_an_operator_gives_everything_to_one_arm(trial: Penstock) -> None:
    done = trial("experiment", "promote", "trial", "broken")
    assert done.out == (
        "experiment 'trial': all requests go to 'broken' until the manifest changes: an operator "
        "has said so\n"
    )
    assert set(statuses(trial, 10)) == {500}
    assert trial("experiment", "rollback", "trial").code == 0
    assert set(statuses(trial, 10)) == {200}
    with urllib.request.urlopen(f"http://{trial.rest}/metrics", timeout=30.0) as answer:
        page = answer.read().decode()
    assert 'penstock_experiment_share{experiment="trial",arm="one"} 1.0\n' in page
    assert 'penstock_experiment_requests_total{experiment="trial",arm="broken",outcome=' in page
    (trial.folder / "trial.yaml").write_text(TRIAL.replace("weight: 50", "weight: 40"))
    assert trial("apply", "trial.yaml").code == 0
    assert {200, 500} == set(statuses(trial, 30))


def test_what_is_not_there_is_named(trial: Penstock) -> None:
    done = trial("experiment", "report", "trail")
    assert done.code == 1
    assert "there is no experiment 'trail'; did you mean 'trial'?" in done.err
    done = trial("experiment", "promote", "trial", "brokn")
    assert done.code == 1
    assert "experiment 'trial' has no arm 'brokn'; did you mean 'broken'?" in done.err
