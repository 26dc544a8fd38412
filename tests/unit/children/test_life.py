"""The standing of a server that is kept running: what may follow what, and when."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.core.children.life import FIRST_PAUSE_MS, LONGEST_PAUSE_MS, SOUND_MS, Life


class LifeMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, pauses are bounded and sentences fit."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ms = 0.0
        self.life = Life("server 's'")
        self.life.starts()
        self.earliest_ms = 0.0
        self.ends_in_a_row = 0
        self.up_at_ms = 0.0

    @precondition(lambda self: self.life.standing == "starting")
    @rule()
    def comes_up(self) -> None:
        self.life.is_up(self.now_ms)
        self.up_at_ms = self.now_ms

    @precondition(lambda self: self.life.standing in ("starting", "up"))
    @rule()
    def ends(self) -> None:
        was_up = self.life.standing == "up"
        if was_up and self.now_ms - self.up_at_ms >= SOUND_MS:
            self.ends_in_a_row = 0
        pause_ms = self.life.ended("ended with status 1", self.now_ms)
        self.ends_in_a_row += 1
        assert (pause_ms == 0.0) == (self.ends_in_a_row == 1)
        assert pause_ms <= LONGEST_PAUSE_MS
        self.earliest_ms = self.now_ms + pause_ms

    @precondition(lambda self: self.life.standing == "waiting")
    @rule()
    def is_started_again(self) -> None:
        self.now_ms = max(self.now_ms, self.earliest_ms)
        self.life.starts()

    @rule(by_ms=st.sampled_from([1.0, 700.0, SOUND_MS]))
    def time_passes(self, by_ms: float) -> None:
        self.now_ms += by_ms

    @precondition(lambda self: self.life.standing != "stopped")
    @rule()
    def is_stopped(self) -> None:
        self.life.stops()

    @invariant()
    def it_says_how_it_stands(self) -> None:
        why_not = self.life.why_not(self.now_ms)
        assert (why_not is None) == (self.life.standing == "up")
        if why_not is not None:
            assert why_not.startswith("server 's' ")
            assert "-" not in why_not


TestLife = LifeMachine.TestCase


def test_pauses_double_up_to_the_longest() -> None:
    life = Life("server 's'")
    pauses = []
    for _ in range(10):
        life.starts()
        pauses.append(life.ended("ended with status 1", 0.0))
    assert pauses[:4] == [0.0, FIRST_PAUSE_MS, 2 * FIRST_PAUSE_MS, 4 * FIRST_PAUSE_MS]
    assert pauses[-1] == LONGEST_PAUSE_MS


@pytest.mark.parametrize(
    ("standing", "sentence"),
    [
        ("starting", "server 's' is starting"),
        ("again", "server 's' was ended by SIGKILL and is being started again"),
        ("waiting", "server 's' was ended by SIGKILL; it is started again in 0.4 s"),
        ("stopped", "server 's' is stopped"),
    ],
)
def test_it_says_why_it_cannot_be_called(standing: str, sentence: str) -> None:
    life = Life("server 's'")
    life.starts()
    if standing != "starting":
        life.ended("was ended by SIGKILL", 0.0)
        life.starts()
    if standing == "waiting":
        life.ended("was ended by SIGKILL", 0.0)
    if standing == "stopped":
        life.stops()
    assert life.why_not(100.0) == sentence
