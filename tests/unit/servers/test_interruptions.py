"""Whether the machine explains why a call took long."""

from __future__ import annotations

from penstock.servers.inprocess.interruptions import Interruptions


class Machine:
    waited_s = 10.0
    collections = 5


def test_what_the_thread_was_kept_waiting_since_the_sample_explains_as_much() -> None:
    machine = Machine()
    seen = Interruptions(lambda: machine.waited_s, lambda: machine.collections)
    assert seen.sampled_s < 0.0
    seen.sample(3.0)
    assert seen.sampled_s == 3.0
    assert not seen.may_explain(0.001)
    machine.waited_s += 0.010
    assert seen.may_explain(0.009)
    assert not seen.may_explain(0.011)
    seen.sample(4.0)
    assert not seen.may_explain(0.001)


def test_a_full_collection_explains_anything() -> None:
    machine = Machine()
    seen = Interruptions(lambda: machine.waited_s, lambda: machine.collections)
    seen.sample(0.0)
    machine.collections += 1
    assert seen.may_explain(1.0)
    seen.sample(1.0)
    assert not seen.may_explain(1.0)
