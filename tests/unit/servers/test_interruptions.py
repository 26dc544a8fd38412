"""Whether the machine explains why a call took long."""

from __future__ import annotations

import pytest

from penstock.servers.inprocess.interruptions import (
    IDLE_PERIOD_S,
    PERIOD_S,
    Interruptions,
    ThreadTimes,
)


class Machine:
    ran_s = 3.0
    waited_s = 10.0
    collections = 5
    stolen_s = 7.0

    def times(self) -> ThreadTimes:
        return ThreadTimes(self.ran_s, self.waited_s)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def seen(machine: Machine) -> Interruptions:
    seen = Interruptions(machine.times, lambda: machine.collections, lambda: machine.stolen_s)
    seen.sample()
    return seen


def test_what_the_thread_was_kept_waiting_since_the_sample_explains_as_much(
    machine: Machine, seen: Interruptions
) -> None:
    assert not seen.may_explain(0.001)
    machine.waited_s += 0.010
    assert seen.may_explain(0.009)
    assert not seen.may_explain(0.011)
    seen.sample()
    assert not seen.may_explain(0.001)


def test_a_full_collection_explains_anything(machine: Machine, seen: Interruptions) -> None:
    machine.collections += 1
    assert seen.may_explain(1.0)
    seen.sample()
    assert not seen.may_explain(1.0)


def test_what_a_hypervisor_took_explains_one_call(machine: Machine, seen: Interruptions) -> None:
    machine.stolen_s += 0.01
    assert seen.may_explain(0.008)
    assert not seen.may_explain(0.008)
    machine.stolen_s += 0.02
    seen.sample()
    assert seen.may_explain(0.015)
    assert not seen.may_explain(0.001)


def test_samples_are_rare_while_the_thread_is_idle(machine: Machine, seen: Interruptions) -> None:
    machine.ran_s += 0.001
    assert seen.sample() == PERIOD_S
    machine.ran_s += 0.0001
    assert seen.sample() == IDLE_PERIOD_S
    machine.ran_s += 0.001
    assert seen.sample() == IDLE_PERIOD_S
    machine.ran_s += 0.5
    assert seen.sample() == PERIOD_S


async def test_it_takes_its_samples_itself(machine: Machine, seen: Interruptions) -> None:
    machine.waited_s += 1.0
    seen.start()
    assert not seen.may_explain(0.5)
    seen.stop()
