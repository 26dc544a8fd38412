"""``penstock autoscale``: decisions of a running server, and policies against a trace."""

from __future__ import annotations

from harness.command_line import Penstock

SLEEPY = """\
kind: Model
metadata: {name: sleepy}
spec: {python: "models:one", minReplicas: 0, maxReplicas: 2}
"""

TRACE = "time,model,rate,service\n0,a,2,100\n30,a,40,100\n120,a,2,100\n300,a,0,100\n"


def test_decisions_of_a_server_are_shown_with_their_reasons(penstock: Penstock) -> None:
    (penstock.folder / "sleepy.yaml").write_text(SLEEPY)
    assert penstock("apply", "sleepy.yaml").code == 0
    assert penstock("status", "--wait").code == 0
    ask = ("infer", "sleepy", "--server", penstock.rest, "--tensor", "x=[1]", "-o", "json")
    assert penstock(*ask).document["outputs"][0]["data"] == [2]
    document = penstock("autoscale", "-o", "json").document
    assert (document["policy"], document["dry_run"]) == ("target-in-flight", False)
    here = penstock("autoscale", "--dry-run", "--policy", "target-rate", "-o", "json").document
    assert (here["policy"], here["dry_run"]) == ("target-rate", True)
    done = penstock("autoscale", "--dry-run")
    assert done.code == 0, done.err
    assert done.out.splitlines()[0] == "policy target-in-flight (dry run, nothing is changed)"
    assert penstock("delete", "model", "sleepy").code == 0


def test_a_policy_that_nobody_has_is_named_with_those_that_there_are(alone: Penstock) -> None:
    (alone.folder / "trace.csv").write_text(TRACE)
    done = alone("autoscale", "simulate", "trace.csv", "--policy", "target-rat")
    assert done.code == 1
    assert "target-rate" in done.err


def test_a_trace_is_replayed_and_drawn(alone: Penstock) -> None:
    (alone.folder / "trace.csv").write_text(TRACE)
    simulate = ("autoscale", "simulate", "trace.csv", "--target", "1")
    done = alone(*simulate, "--svg", "outcome.svg")
    assert done.code == 0, done.err
    headings, row, _, name, *changes = done.out.splitlines()
    assert headings.split() == [
        "model",
        "copies",
        "copy-seconds",
        "changes",
        "turns",
        "latency",
        "refused",
    ]
    assert row.startswith("a ")
    assert name == "a"
    assert "calls are under way or wait, and a replica is to have 1" in changes[1]
    assert (alone.folder / "outcome.svg").read_text().startswith("<svg")
    document = alone(*simulate, "-o", "json").document
    assert document["models"][0]["most"] >= 4
    assert document == alone(*simulate, "-o", "json").document


def test_what_is_wrong_with_a_trace_is_said(alone: Penstock) -> None:
    (alone.folder / "trace.csv").write_text("time,rate\n1,often\n")
    done = alone("autoscale", "simulate", "trace.csv")
    assert done.code == 1
    assert "trace.csv:2: rate must be a number of at least 0, not 'often'" in done.err
