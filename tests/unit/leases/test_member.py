"""What a member decides, rule by rule, in a log where everything arrives at once."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from harness.planted import Bug
from penstock.core.contracts.transport import Ownership
from penstock.transports.kafka.leases.messages import MemberId
from unit.leases.code import REAL, bugged

S = ("g", "s")


class Rig:
    """A log, and members that it is told to. What was written waits until :meth:`flow`."""

    def __init__(self, code: ModuleType = REAL) -> None:
        self.code = code
        self.now = 0.0
        self.offset = -1
        self.members: list[Any] = []
        self.told: dict[str, list[Any]] = {}
        self.waiting: list[bytes] = []

    def member(self, name: str, incarnation: str = "1", *, whole: bool = True) -> Any:
        member = self.code.Member(name, incarnation, self.code.LeaseTimes(), whole=whole)
        self.members.append(member)
        self.told[name] = []
        return member

    def collect(self) -> None:
        for member in self.members:
            effects, member.effects = member.effects, []
            for effect in effects:
                if isinstance(effect, self.code.Write):
                    self.waiting.append(effect.message)
                else:
                    self.told[member.id.instance].append(effect)

    def append(self, text: bytes, *readers: Any) -> None:
        self.offset += 1
        for member in readers or self.members:
            member.observed(self.offset, self.now, text, self.now)

    def flow(self) -> None:
        """Until nothing is on its way."""
        self.collect()
        while self.waiting:
            self.append(self.waiting.pop(0))
            self.collect()

    def wait(self, for_ms: float, *, step_ms: float = 50.0) -> None:
        """Time passes, and members do what is due."""
        end = self.now + for_ms
        while self.now < end:
            self.now = min(end, self.now + step_ms)
            for member in self.members:
                if self.now >= member.next_tick_ms():
                    member.tick(self.now)
            self.flow()

    def owned(self, name: str) -> list[int]:
        mine: list[int] = []
        for effect in self.told[name]:
            if isinstance(effect, self.code.Won):
                mine.append(effect.ownership.partition)
            elif isinstance(effect, self.code.Fenced):
                mine.remove(effect.ownership.partition)
        return sorted(mine)

    def to_lose(self, name: str) -> list[Ownership]:
        return [each.ownership for each in self.told[name] if isinstance(each, self.code.Lose)]


def joined(rig: Rig, *names: str, partitions: int = 4) -> list[Any]:
    members = [rig.member(name) for name in names]
    for member in members:
        member.tick(rig.now)
    rig.flow()
    for member in members:
        member.compete(S, partitions, rig.now)
        rig.flow()
    return members


def test_one_alone_owns_all_at_once() -> None:
    rig = Rig()
    joined(rig, "a")
    assert rig.owned("a") == [0, 1, 2, 3]
    assert rig.now == 0.0


def test_who_has_too_much_hands_over_first_and_releases_then() -> None:
    rig = Rig()
    first, _ = joined(rig, "a", "b")
    surplus = rig.to_lose("a")
    assert len(surplus) == 2
    assert rig.owned("b") == []
    for ownership in surplus:
        first.released(ownership, rig.now)
    rig.flow()
    assert rig.owned("b") == sorted(each.partition for each in surplus)


def test_what_was_handed_over_is_not_fenced_as_well() -> None:
    rig = Rig()
    first, _ = joined(rig, "a", "b")
    for ownership in rig.to_lose("a"):
        first.released(ownership, rig.now)
    rig.flow()
    assert not any(isinstance(each, REAL.Fenced) for each in rig.told["a"])


def test_a_release_that_is_lost_is_written_again() -> None:
    rig = Rig()
    first, _ = joined(rig, "a", "b", partitions=2)
    [ownership] = rig.to_lose("a")
    first.released(ownership, rig.now)
    rig.collect()
    rig.waiting.clear()
    rig.wait(1_100)
    assert rig.owned("b") == [ownership.partition]


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_hello_that_is_lost_is_said_again(lost: int) -> None:
    rig = Rig()
    member = rig.member("a")
    member.compete(S, 1, rig.now)
    for _ in range(lost):
        rig.now += 500
        member.tick(rig.now)
        rig.collect()
        rig.waiting.clear()
    rig.wait(2_000)
    assert rig.owned("a") == [0]


def test_the_death_of_one_is_made_good_in_little_more_than_a_lease() -> None:
    rig = Rig()
    _, dead = joined(rig, "a", "b")
    for ownership in rig.to_lose("a"):
        rig.members[0].released(ownership, rig.now)
    rig.flow()
    rig.members.remove(dead)
    rig.wait(1_900)
    assert len(rig.owned("a")) == 4, "what it won first, of which two were handed over"
    rig.wait(200)
    assert len(rig.owned("a")) == 6


def test_an_owner_that_hears_nothing_stops_before_its_lease_is_over_and_goes_on() -> None:
    rig = Rig()
    [member] = joined(rig, "a")
    assert member.next_tick_ms() <= 500
    member.tick(1_899.0)
    assert not member.suspended
    member.tick(1_900.0)
    assert member.suspended
    rig.now = 1_901.0
    rig.flow()
    assert not member.suspended
    assert [type(each).__name__ for each in rig.told["a"][-2:]] == ["Suspended", "Resumed"]


def test_a_lease_counts_from_when_the_beat_was_sent() -> None:
    rig = Rig()
    [member] = joined(rig, "a")
    member.tick(500.0)
    rig.collect()
    rig.now = 1_000.0
    rig.flow()
    member.tick(500.0 + 1_900.0)
    assert member.suspended


def test_who_was_stopped_is_suspended_when_it_wakes_and_learns_that_it_lost() -> None:
    rig = Rig()
    stopped, _ = joined(rig, "a", "b", partitions=1)
    assert rig.owned("a") == [0]
    log: list[tuple[float, bytes]] = []
    rig.members.remove(stopped)
    begin, append = rig.offset, rig.append

    def noting(text: bytes, *readers: Any) -> None:
        log.append((rig.now, text))
        append(text, *readers)

    rig.append = noting  # type: ignore[method-assign]  # what the stopped one will read
    rig.wait(60_000, step_ms=250)
    assert rig.owned("b") == [0]
    stopped.tick(rig.now)
    assert stopped.suspended
    for number, (at_ms, text) in enumerate(log):
        stopped.observed(begin + 1 + number, at_ms, text, rig.now)
    assert stopped.suspended
    assert any(isinstance(each, REAL.Fenced) for each in stopped.effects)


def test_who_leaves_hands_over_and_then_goes() -> None:
    rig = Rig()
    [member] = joined(rig, "a", partitions=2)
    member.leave(rig.now)
    rig.flow()
    assert not member.gone
    for ownership in rig.to_lose("a"):
        member.released(ownership, rig.now)
    rig.flow()
    assert member.gone
    assert member.id not in member.ledger.members


def test_who_comes_under_a_name_takes_its_place() -> None:
    rig = Rig()
    [old] = joined(rig, "a", partitions=2)
    rig.members.remove(old)
    new = rig.code.Member("a", "2", rig.code.LeaseTimes(), whole=False)
    rig.members.append(old)
    rig.members.append(new)
    new.tick(rig.now)
    rig.flow()
    assert old.gone
    assert any(isinstance(each, REAL.Replaced) for each in rig.told["a"])
    assert list(old.ledger.members) == [MemberId("a", "2")]


def test_a_newcomer_acts_after_one_question_when_it_has_read_a_lease_of_the_log() -> None:
    rig = Rig()
    joined(rig, "a", partitions=2)
    new = rig.member("b", whole=False)
    rig.members.remove(new)
    for at_ms in range(500, 3_000, 500):
        rig.now = float(at_ms)
        rig.members[0].tick(rig.now)
        rig.collect()
        text = rig.waiting.pop(0)
        rig.append(text, rig.members[0], new)
        rig.waiting.clear()
    rig.members.append(new)
    new.compete(S, 2, rig.now)
    new.tick(rig.now)
    began = rig.now
    rig.flow()
    assert not new.suspended
    assert rig.now == began
    [ownership] = rig.to_lose("a")
    rig.members[0].released(ownership, rig.now)
    rig.flow()
    assert rig.owned("b") == [ownership.partition]


def test_a_partition_that_is_new_is_owned() -> None:
    rig = Rig()
    [member] = joined(rig, "a", partitions=1)
    member.compete(S, 3, rig.now)
    rig.flow()
    assert rig.owned("a") == [0, 1, 2]


def test_who_withdraws_loses_that_stream_alone() -> None:
    rig = Rig()
    [member] = joined(rig, "a", partitions=2)
    member.compete(("g", "t"), 1, rig.now)
    rig.flow()
    member.withdraw(S, rig.now)
    assert {each.ownership.stream for each in member.effects if isinstance(each, REAL.Lose)} == {
        "s"
    }


def test_what_is_given_up_is_free_for_all() -> None:
    rig = Rig()
    [member] = joined(rig, "a", partitions=1)
    [won] = [each for each in rig.told["a"] if isinstance(each, REAL.Won)]
    member.give_up(won.ownership, rig.now)
    rig.flow()
    [_, again] = [each for each in rig.told["a"] if isinstance(each, REAL.Won)]
    assert again.ownership.epoch > won.ownership.epoch
    assert not member.owns(won.ownership)
    assert member.owns(again.ownership)


def test_a_member_that_does_nothing_writes_two_beats_a_second_whatever_it_owns() -> None:
    rig = Rig()
    [member] = joined(rig, "a", partitions=1)
    for number in range(1_000):
        member.compete(("g", f"s{number}"), 1, rig.now)
    rig.flow()
    before = rig.offset
    rig.wait(10_000)
    assert rig.offset - before <= 21


def test_a_thousand_partitions_move_in_a_few_records() -> None:
    rig = Rig()
    first, *_ = joined(rig, "a", partitions=1_000)
    before = rig.offset
    second = rig.member("b", whole=False)
    second.compete(S, 1_000, rig.now)
    rig.wait(2_600)
    for ownership in rig.to_lose("a"):
        first.released(ownership, rig.now)
    rig.flow()
    assert len(rig.owned("b")) == 500
    assert rig.offset - before < 60


# Too rare for the simulation ------------------------------------------------------------------


def hello_after_a_stop(code: ModuleType) -> int:
    """A member was stopped for a lease with two beats on their way, and reads on bit by bit. Comes
    back with how often it said hello after that."""
    rig = Rig(code)
    stopped, other = joined(rig, "a", "b", partitions=1)
    for at_ms in (500.0, 1_000.0):
        stopped.tick(at_ms)
    late = [e.message for e in stopped.effects if isinstance(e, code.Write)]
    assert len(late) == 2
    stopped.effects = []
    log: list[tuple[float, bytes]] = []
    for at_ms in range(500, 3_500, 500):
        rig.now = float(at_ms)
        other.tick(rig.now)
        written = [e.message for e in other.effects if isinstance(e, code.Write)]
        log.extend((rig.now, text) for text in written)
        other.effects = []
    log += [(3_500.0, text) for text in late]
    for number, (at_ms, text) in enumerate(log):
        stopped.observed(rig.offset + 1 + number, at_ms, text, 3_500.0)
        stopped.tick(3_500.0)
    return len([e for e in stopped.effects if isinstance(e, code.Write) and b"hello" in e.message])


HELLO_AGAIN = Bug(
    "a hello is said again because of what was written before it",
    "leases",
    "member",
    "        elif message.number > self._hello and self._introduced and not self._welcomed:\n",
    "        elif self._introduced and not self._welcomed:\n",
)


def test_a_hello_is_said_once_though_earlier_beats_come_after_it() -> None:
    assert hello_after_a_stop(REAL) == 1
    with bugged(HELLO_AGAIN) as code:
        assert hello_after_a_stop(code) > 1


def view_after_an_act(code: ModuleType) -> tuple[Any, bool]:
    """While a newcomer asks, one who has answered claims what another has, who releases it before
    it answers. Comes back with whose the newcomer takes it to be, and whether it is sure."""
    messages = code.messages
    newcomer = code.Member("n", "1", code.LeaseTimes(), whole=False)
    newcomer.tick(0.0)
    one, two = (messages.MemberId(name, "1") for name in "xy")
    told: list[Any] = [messages.Beat(each, at) for at in range(5) for each in (one, two)]
    for number, message in enumerate(told):
        newcomer.observed(number, 500.0 * (number // 2), messages.encode(message), 0.0)
    asked_at = len(told)
    story: list[Any] = [
        messages.Hello(newcomer.id, 1, True),
        messages.Holdings(one, 9, asked_at, {S: 1}, {}),
        messages.Act(one, 10, [], {}, {}, {S: [0]}),
        messages.Act(two, 10, [], {S: [0]}, {}, {}),
        messages.Holdings(two, 11, asked_at + 3, {S: 1}, {}),
    ]
    for number, message in enumerate(story):
        newcomer.observed(asked_at + number, 2_001.0, messages.encode(message), 0.0)
    return newcomer.ledger.owner(S, 0), newcomer.ledger.exact


OVERLOOKED = Bug(
    "a newcomer overlooks what is done while it asks",
    "leases",
    "member",
    "        elif isinstance(message, Act) or not known:\n",
    "        elif not known:\n",
)


def test_a_newcomer_asks_again_when_something_is_done_meanwhile() -> None:
    _, sure = view_after_an_act(REAL)
    assert not sure
    with bugged(OVERLOOKED) as code:
        owner, sure = view_after_an_act(code)
        assert sure
        assert owner is not None, "which is wrong: nobody owns it"
