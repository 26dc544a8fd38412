"""Closed and open loops of load in virtual time, and what is measured of them."""

from __future__ import annotations

import asyncio

import pytest

from harness.virtual_time import in_virtual_time
from penstock.core.bench.caller import Caller, Outcome
from penstock.core.bench.figures import Fault, Figures
from penstock.core.bench.latencies import Latencies
from penstock.core.bench.limits import limits_of
from penstock.core.bench.load import Load, LoadPlan
from penstock.core.bench.machine import Busy
from penstock.core.bench.made_tensors import made_tensors
from penstock.core.clock import VirtualClock
from penstock.core.datatypes import DATATYPES
from penstock.core.errors import InvalidRequestError, NotReadyError, OverloadedError

ANSWERED = Outcome(None, 7, 11)


class Server(Caller):
    """Answers after 10 ms, but stalls for one of its calls."""

    def __init__(self, stalls: int = -1, stall_s: float = 1.0, outcome: Outcome = ANSWERED) -> None:
        self._stalls = stalls
        self._stall_s = stall_s
        self._outcome = outcome
        self.calls = 0

    async def call(self) -> Outcome:
        self.calls += 1
        await asyncio.sleep(self._stall_s if self.calls == self._stalls else 0.01)
        return self._outcome

    async def close(self) -> None:
        """There is nothing to give back."""


def run(
    server: Server,
    *,
    in_flight: int = 1,
    rate: float | None = None,
    duration_s: float = 1.0,
    requests: int | None = None,
    warm_up_s: float = 0.0,
    cancel_after_s: float | None = None,
) -> Figures:
    plan = LoadPlan(in_flight, rate, duration_s, requests, warm_up_s)

    async def main(clock: VirtualClock) -> Figures:
        load = Load(plan, server, asyncio.get_running_loop().time)
        if cancel_after_s is None:
            await load.run()
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(load.run(), cancel_after_s)
        return load.figures

    return in_virtual_time(main)


def test_a_closed_loop_sends_when_it_has_an_answer() -> None:
    figures = run(Server(), in_flight=2)
    assert 200 <= figures.latencies.count <= 202
    assert figures.rate == pytest.approx(200, rel=0.02)
    assert figures.latencies.quantile(0.99) == pytest.approx(10.0, rel=0.01)
    assert (figures.sent, figures.received) == (7 * figures.requests, 11 * figures.requests)


def test_a_stall_of_an_open_loop_is_felt_by_all_that_were_due_in_it() -> None:
    """A closed loop would have one slow request in a hundred; here half of them waited."""
    closed = run(Server(stalls=50, stall_s=0.5))
    assert closed.latencies.quantile(0.95) == pytest.approx(10.0, rel=0.01)
    opened = run(Server(stalls=50, stall_s=0.5), rate=50.0, requests=100)
    assert opened.latencies.count == 100
    assert opened.latencies.largest_ms == pytest.approx(500.0, rel=0.01)
    assert opened.latencies.quantile(0.8) > 200.0


def test_an_open_loop_ends_in_time_whatever_is_still_due() -> None:
    figures = run(Server(), rate=1000.0, duration_s=1.0)
    assert figures.requests == pytest.approx(100, abs=1)
    assert figures.elapsed_s < 1.02


def test_an_open_loop_keeps_its_rate() -> None:
    figures = run(Server(), rate=20.0, in_flight=4)
    assert figures.requests == 20
    assert figures.latencies.largest_ms == pytest.approx(10.0, rel=0.01)


@pytest.mark.parametrize("rate", [None, 100.0])
def test_a_number_of_requests_is_exact_and_the_warm_up_beside_it(rate: float | None) -> None:
    server = Server()
    figures = run(server, in_flight=3, requests=10, warm_up_s=0.5, rate=rate)
    assert figures.requests == 10
    assert server.calls > 40


def test_what_was_measured_before_an_interruption_is_kept() -> None:
    assert run(Server(), cancel_after_s=0.255).requests == 25


def test_errors_are_counted_by_code_and_step() -> None:
    error = OverloadedError("full", step="a")
    figures = run(Server(outcome=Outcome(error, 7, 0)), requests=5)
    assert figures.errors == {Fault("overloaded", "a"): 5}
    document = figures.document()
    assert document["latency_ms"] is None
    assert document["errors"] == [{"code": "overloaded", "step": "a", "count": 5, "error": "full"}]


def test_who_reaches_nobody_takes_a_breath() -> None:
    server = Server(outcome=Outcome(NotReadyError("nobody"), 7, 0, reached=False))
    run(server, duration_s=1.0)
    assert server.calls < 20


def test_quantiles_are_within_a_percent() -> None:
    latencies = Latencies()
    for number in range(1, 1001):
        latencies.add(number / 10)
    for share in (0.5, 0.9, 0.99):
        assert latencies.quantile(share) == pytest.approx(share * 100, rel=0.011)
    assert latencies.quantile(0.0) == pytest.approx(0.1, rel=0.011)
    assert latencies.quantile(1.0) == 100.0
    assert Latencies().quantile(0.5) == 0.0


def test_what_limits_the_figures_is_said() -> None:
    figures = run(Server(), rate=500.0, requests=50)
    plan = LoadPlan(1, 500.0, 1.0, 50, 0.0)
    said = limits_of(plan, figures, Busy(0.97, 0.99))
    assert len(said) == 3
    assert "took 97% of a core" in said[0]
    assert "all cores of this machine were busy (99%)" in said[1]
    assert "100 of 500 requests per second were made" in said[2]
    assert limits_of(LoadPlan(1, None, 1.0, None, 0.0), figures, Busy(0.1, None)) == []


@pytest.mark.parametrize("datatype", DATATYPES)
def test_inputs_are_made_of_a_signature(datatype: str) -> None:
    described = {"name": "x", "datatype": datatype, "shape": [-1, 3, -1]}
    one, other = (made_tensors("m", [described], 5, seed)[0] for seed in (0, 0))
    assert (one.name, one.datatype, one.shape) == ("x", datatype, (5, 3, 1))
    assert one.array.tolist() == other.array.tolist()


def test_inputs_of_an_unknown_signature_are_not_made_up() -> None:
    with pytest.raises(InvalidRequestError, match="nothing is known of the inputs of 'm'"):
        made_tensors("m", [], 1, 0)
    with pytest.raises(InvalidRequestError, match="the datatype of input 'x' of 'm'"):
        made_tensors("m", [{"name": "x", "datatype": "", "shape": [-1]}], 1, 0)
