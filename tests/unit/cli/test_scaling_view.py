"""How decisions of the autoscaler are printed."""

from __future__ import annotations

import pytest

from penstock.core.cli.output import Output
from penstock.core.cli.scaling_view import print_courses, print_decisions
from penstock.core.contracts.scaler import ModelLoad
from penstock.core.scaling import Verdict
from penstock.core.scaling.replay import Course, Sample


def test_what_waits_in_streams_is_shown_where_there_are_some(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verdicts = [
        Verdict(ModelLoad("a", 1, 1, 0, 4, in_flight=2.0, lag=35), 4, "it is so"),
        Verdict(ModelLoad("b", 1, 1, 0, 4), 1, "as it was"),
    ]
    models = [each.document() for each in verdicts]
    said = {"policy": "lag", "dry_run": False, "decided_ms": 0.0, "workers": 0, "models": models}
    print_decisions(Output("text"), said)
    headline, headings, *rows = capsys.readouterr().out.splitlines()
    assert headline == "policy lag (in force)"
    assert headings.split() == [
        "model",
        "copies",
        "decided",
        "calls/s",
        "in",
        "flight",
        "lag",
        "why",
    ]
    assert [row.split()[-4] for row in rows] == ["35", "-"]
    assert rows[0].split() == ["a", "1", "of", "1", "4", "0", "2", "35", "it", "is", "so"]


def test_whose_copies_are_counted_is_said_where_there_are_workers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = [Verdict(ModelLoad("a", 2, 2, 0, 4), 2, "it is so").document()]
    said = {"policy": "lag", "dry_run": False, "decided_ms": 0.0, "workers": 3, "models": models}
    print_decisions(Output("text"), said)
    _, whose, *_ = capsys.readouterr().out.splitlines()
    assert whose == "copies are those of all 3 workers together, at most one in each"


def test_long_latencies_are_said_in_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = Verdict(ModelLoad("a", 1, 1, 1, 4), 1, "it is so")
    samples = [
        Sample(time_s, 5.0, 1, 0.4, 0.0, latency_ms, 0.0, verdict)
        for time_s, latency_ms in ((2.0, 80.0), (4.0, 37_520.0))
    ]
    print_courses(Output("text"), [Course("a", samples)])
    _, row, *_ = capsys.readouterr().out.splitlines()
    assert "18.8 s, at most 37.5 s" in row


def test_before_the_first_look_nothing_is_said_of_manifests(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = {"policy": "lag", "dry_run": False, "decided_ms": None, "every_ms": 2_000.0}
    print_decisions(Output("text"), {**said, "models": []})
    assert capsys.readouterr().out.splitlines()[1:] == [
        "nothing is decided before 2 s after the start"
    ]
