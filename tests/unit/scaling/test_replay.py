"""Traces are read, and replayed against policies in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import pytest

from penstock.core.contracts.scaler import ModelLoad, Scaler, ScalingDecision
from penstock.core.errors import InvalidRequestError
from penstock.core.render.chart import Line, Panel, chart
from penstock.core.scaling import Damping
from penstock.core.scaling.plot import plotted
from penstock.core.scaling.replay import Course, Replayed, replay
from penstock.core.scaling.rules import ScalingRules
from penstock.core.scaling.trace import TracePoint, read_trace
from penstock.plugins.scaling.in_flight import InFlightOptions, InFlightScaler

BURST = ["time,rate,service", "0,2,100", "20,40,100", "100,2,100", "300,0,100"]

DAMPING = Damping(cool_down_ms=0.0, idle_ms=30_000.0)


class Fixed(Scaler):
    """Always the same."""

    def decide(self, loads: Sequence[ModelLoad]) -> Sequence[ScalingDecision]:
        return [ScalingDecision(load.name, 1.0, "fixed") for load in loads]


def rules(scaler: Scaler | None = None) -> ScalingRules:
    scaler = scaler or InFlightScaler(InFlightOptions(target=1.0))
    return ScalingRules("p", scaler, DAMPING, 2_000.0, 100)


def course(lines: Sequence[str], settings: Replayed | None = None) -> Course:
    [of_model] = replay(read_trace(lines, "t.csv"), rules(), settings or Replayed(most=20))
    return of_model


def test_a_trace_is_read_from_csv_and_from_json_lines() -> None:
    point = TracePoint(1.5, "a", 3.0, 100.0)
    assert read_trace(["# load", "time, model, rate", "1.5, a, 3"], "t") == {"a": [point]}
    assert read_trace(['{"time": 1.5, "model": "a", "rate": 3}'], "t") == {"a": [point]}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "t has no points"),
        (["time,rat", "1,2"], "t:1: the heading must name time and rate"),
        (["time,rate", "1"], "t:2: has 1 cells, and the heading has 2"),
        (["time,rate", "1,-2"], "t:2: rate must be a number of at least 0, not '-2'"),
        (["time,rate,service", "1,2,0"], "t:2: service must be more than 0 ms"),
        (["time,rate", "2,1", "1,1"], "t:3: time 1 comes after 2"),
        (['{"time": 1'], "t:1: is no JSON"),
        (['{"time": 1}'], "t:1: rate must be a number"),
    ],
)
def test_what_is_wrong_with_a_trace_is_said_with_its_line(lines: list[str], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        read_trace(lines, "t")


def test_a_burst_is_followed_and_the_same_each_time() -> None:
    followed = course(BURST)
    assert followed == course(BURST)
    copies = {sample.time_s: sample.verdict.replicas for sample in followed.samples}
    assert copies[18.0] == 1
    assert max(copies.values()) >= 4, "40 calls per second of 100 ms keep four busy"
    assert copies[298.0] == 1
    assert followed.turns == 1


def test_latency_is_that_of_a_call_where_nobody_waits_and_more_where_many_do() -> None:
    quiet = course(["time,rate", "0,0.1", "60,0.1"]).summary()
    assert quiet["latency_ms"] == pytest.approx(100.0, rel=0.05)
    [crowded] = replay(read_trace(["time,rate", "0,11", "60,11"], "t"), rules(Fixed()), Replayed())
    assert crowded.summary()["most_latency_ms"] > 2_000.0


def test_a_model_sleeps_and_what_comes_then_waits_for_it() -> None:
    lines = ["time,rate", "0,5", "10,0", "100,5", "140,5"]
    slept = course(lines, Replayed(least=0, load_ms=4_000.0))
    copies = {sample.time_s: sample.verdict.replicas for sample in slept.samples}
    assert copies[60.0] == 0
    assert copies[102.0] >= 1
    [first] = [sample for sample in slept.samples if sample.time_s == 104.0]
    assert first.waiting > 0.0
    assert slept.summary()["refused"] == 0.0


def test_calls_beyond_the_bound_are_refused() -> None:
    lines = ["time,rate", "0,0", "50,200", "60,200"]
    woken = course(lines, Replayed(least=0, load_ms=4_000.0))
    assert woken.summary()["refused"] == pytest.approx(700.0, rel=0.1)


def test_servers_hold_no_more_than_there_is_room_for() -> None:
    followed = course(BURST, Replayed(most=20, room=2))
    assert max(sample.ready for sample in followed.samples) == 2
    assert any(sample.verdict.why == "short" for sample in followed.samples)


def test_the_outcome_is_drawn() -> None:
    drawn = plotted("burst & more", [course(BURST)])
    assert drawn == plotted("burst & more", [course(BURST)])
    root = ElementTree.fromstring(drawn)
    paths = [each for each in root.iter() if each.tag.endswith("path")]
    assert len(paths) == 5
    assert "burst & more" in "".join(root.itertext())


def test_a_line_is_broken_where_there_is_no_figure() -> None:
    drawn = chart("t", [0.0, 1.0, 2.0], [Panel("u", [Line("a", [1.0, None, 3.0])])])
    assert drawn.count("M") == 2 + drawn.split("<path")[0].count("M")
