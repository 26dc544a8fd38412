"""One run of a case: a log, and processes that write and read it, in one thread and false time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from types import ModuleType
from typing import Any, Final

from penstock.core.contracts.transport import Ownership
from unit.kafka.leases.case import GROUP, SETTLED_MS, Case, Event
from unit.kafka.leases.code import REAL
from unit.kafka.leases.process import Process
from unit.kafka.leases.truth import Place, Truth

SLACK_MS: Final = 20.0
"""A process that is told when to wake up wakes up that much later at most."""

BACK_MS: Final = 800.0
"""After a broker was away, clients find it again within this."""

CALMLY_BACK_MS: Final = 400.0
"""So long that nobody is given up for it: half a lease counts for a silence of all, and a beat may
just have been due when that began."""

SETTLE_MS: Final = 8_000.0
QUIET_MS: Final = 2_000.0
MADE_GOOD_MS: Final = 3_000.0
"""From the death of an owner to others that act in its place."""

MOST_EVENTS: Final = 30_000


class World:
    """``broken`` says which laws were broken; with ``tells`` there is a story as well."""

    def __init__(self, case: Case, code: ModuleType = REAL, *, tells: bool = False) -> None:
        self.case = case
        self.now = 0.0
        self.broken: list[str] = []
        self.story: list[str] = []
        self.made_good_ms: float | None = None
        self._code = code
        self._tells = tells
        self._random = Random(case.seed)
        self._times = code.LeaseTimes()
        self._log: list[tuple[int, bytes]] = []
        self._truth = Truth(self._times.lease_ms, code.messages)
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0
        self._away_until = 0.0
        self._back_at: dict[int, float] = {}
        self._partitions = list(case.partitions)
        self._processes: dict[int, Process] = {}
        self._doubles: list[Process] = []
        """Those whose name another has taken while they were stopped."""
        self._wants = {n: set(range(len(case.partitions))) for n in range(case.processes)}
        self._quiet_at = max(case.quiet_from_ms, 0.0) if case.kind != "death" else 0.0
        self._orphans: dict[Place, float] = {}
        self._end_ms = self._quiet_at + SETTLE_MS + QUIET_MS

    def run(self) -> list[str]:
        """Everything that happens; comes back with the laws that were broken."""
        for event in self.case.events:
            self._at(event.at_ms, self._befall, event)
        if self.case.kind == "death":
            self._end_ms = SETTLED_MS + 1_000 + SETTLE_MS
        self._at(self._end_ms - QUIET_MS, self._mark_quiet)
        while self._events and not self.broken:
            at, _, call, arguments = heapq.heappop(self._events)
            if at > self._end_ms:
                break
            self.now = at
            call(*arguments)
            if self._count > MOST_EVENTS:
                self._break("it does not come to rest")
        if not self.broken:
            self._judge_the_end()
        return self.broken

    def _at(self, at: float, call: Callable[..., None], *arguments: Any) -> None:
        self._count += 1
        heapq.heappush(self._events, (max(at, self.now), self._count, call, arguments))

    def _break(self, sentence: str) -> None:
        self.broken.append(f"t={self.now:.1f}: {sentence}")

    def _tell(self, sentence: str) -> None:
        if self._tells:
            self.story.append(f"t={self.now:.1f} {sentence}")

    # What befalls them ----------------------------------------------------------------------------

    def _befall(self, event: Event) -> None:
        self._tell(f"{event.what} {event.who} for {event.for_ms:.0f} stream {event.stream}")
        until = self.now + event.for_ms
        process = self._processes.get(event.who)
        if event.what == "away":
            self._go_away(until)
        elif event.what == "start":
            self._start(event.who)
        elif event.what == "grow":
            self._partitions[event.stream] += 1
            for each in self._everybody():
                self._compete(each)
        elif event.what in ("compete", "withdraw"):
            self._change_mind(event)
        elif process is not None and process.alive:
            self._befall_process(event, process, until)

    def _befall_process(self, event: Event, process: Process, until: float) -> None:
        if event.what == "crash":
            self._orphans |= {self._place(each): self.now for each in process.owned}
            process.alive = False
            self._at(until, self._start, event.who)
        elif event.what in ("stop", "double"):
            process.stopped_until = max(process.stopped_until, until)
            self._at(process.stopped_until, self._tick, process)
            if event.what == "double":
                self._at(self.now + event.for_ms * 0.8, self._double, process)
        elif event.what == "slow":
            process.slow_until = until
        elif event.what == "cut":
            self._back_at[event.who] = max(self._back_at.get(event.who, 0.0), until)
            self._quiet_at = max(self._quiet_at, until)
        elif event.what == "leave" and self.now >= process.stopped_until:
            process.member.leave(process.clock(self.now))
            self._at(until, self._start, event.who)
            self._carry_out(process)

    def _double(self, process: Process) -> None:
        if self._processes.get(process.number) is process and process.alive:
            self._doubles.append(self._processes.pop(process.number))
            self._start(process.number)

    def _change_mind(self, event: Event) -> None:
        wants = self._wants[event.who]
        wants ^= {event.stream}
        for each in self._everybody():
            if each.number == event.who:
                self._compete(each)

    def _go_away(self, until: float) -> None:
        """The broker cannot be reached; clients find it again one after the other."""
        self._away_until = max(self._away_until, until)
        within_ms = CALMLY_BACK_MS if self.case.kind == "calm" else BACK_MS
        for number in range(self.case.processes):
            back_at = self._away_until + self._random.uniform(0, within_ms)
            self._back_at[number] = max(self._back_at.get(number, 0.0), back_at)
        self._quiet_at = max(self._quiet_at, self._away_until + within_ms)

    def _start(self, number: int) -> None:
        before = self._processes.get(number)
        if before is not None and before.alive and not before.replaced:
            if not before.member.gone:
                return  # it has not left yet, or is there already
            before.alive = False
        if self._is_away(number):
            self._at(self._back_at[number], self._start, number)
            return
        begin = max(0, len(self._log) - self.case.read_back)
        whole = begin == 0 and self.case.deleted == 0
        incarnation = f"{number}.{self._count}"
        member = self._code.Member(f"p{number}", incarnation, self._times, whole=whole)
        skew, rate = self.case.skews_ms[number], self.case.rates[number]
        process = Process(number, self._code, member, skew, rate, begin)
        self._processes[number] = process
        self._tell(f"p{number} comes as {incarnation}, reads from {begin}")
        self._observe(process, len(self._log))
        self._compete(process)
        self._at(self.now, self._tick, process)

    def _compete(self, process: Process) -> None:
        """Tell a member what it is to compete for now."""
        if not process.alive or process.member.gone:
            return
        if self.now < process.stopped_until:
            self._at(process.stopped_until + 1, self._compete, process)
            return
        wants = self._wants[process.number]
        wanted = {stream: self._partitions[stream] for stream in wants}
        clock = process.clock(self.now)
        for stream in process.wants.keys() - wanted.keys():
            process.member.withdraw((GROUP, f"s{stream}"), clock)
        for stream, partitions in wanted.items():
            process.member.compete((GROUP, f"s{stream}"), partitions, clock)
        process.wants = wanted
        self._carry_out(process)

    # The log --------------------------------------------------------------------------------------

    def _is_away(self, number: int) -> bool:
        return self.now < max(self._away_until, self._back_at.get(number, 0.0))

    def _send(self, process: Process, text: bytes) -> None:
        self._tell(f"p{process.number} sends {text.decode()}")
        if self.now < self._quiet_at and self._random.randrange(100) < self.case.lost:
            return
        slow = self.now < process.slow_until
        delay = self._random.uniform(0, 300) if slow else self._random.choice((0.5, 1.0, 2.0, 5.0))
        arrives = self.now + delay
        process.last_write_arrives = max(arrives, process.last_write_arrives)
        self._at(process.last_write_arrives, self._arrive, process, text)

    def _arrive(self, process: Process, text: bytes) -> None:
        if self._is_away(process.number):
            process.last_write_arrives = max(
                process.last_write_arrives, self._back_at[process.number]
            )
            self._at(self._back_at[process.number], self._arrive, process, text)
            return
        if not process.alive and not process.member.gone and self._random.random() < 0.3:
            return  # it died before that left
        offset = self.case.deleted + len(self._log)
        time_ms = int(1_700_000_000_000 + self.now)
        self._log.append((time_ms, text))
        self._tell(f"{offset}: {text.decode()}")
        changed = self._truth.append(offset, time_ms, text)
        if changed:
            self._judge_acts()
        for each in self._everybody():
            self._read_soon(each)

    def _everybody(self) -> list[Process]:
        return [*self._processes.values(), *self._doubles]

    def _read_soon(self, process: Process) -> None:
        if process.alive and process.reads_at is None:
            slow = self.now < process.slow_until
            delay = self._random.uniform(100, 900) if slow else self._random.choice((0.5, 1, 3))
            process.reads_at = self.now + delay
            self._at(process.reads_at, self._read, process)

    def _read(self, process: Process) -> None:
        if not process.alive:
            return
        waits_until = process.stopped_until + 0.5
        if self._is_away(process.number):
            waits_until = max(waits_until, self._back_at[process.number])
        if self.now < waits_until and (process.stopped_until or self._is_away(process.number)):
            self._at(waits_until, self._read, process)
            return
        process.reads_at = None
        self._observe(process, self.case.at_once)
        self._carry_out(process)
        if process.position < len(self._log):
            self._read_soon(process)

    def _observe(self, process: Process, most: int) -> None:
        clock = process.clock(self.now)
        for time_ms, text in self._log[process.position : process.position + most]:
            offset = self.case.deleted + process.position
            process.position += 1
            process.member.observed(offset, float(time_ms), text, clock)

    # What a member asks for -----------------------------------------------------------------------

    def _tick(self, process: Process) -> None:
        if not process.alive:
            return
        if self.now < process.stopped_until:
            return  # there is one for when it goes on
        process.ticks_at = float("inf")
        process.member.tick(process.clock(self.now))
        self._carry_out(process)

    def _carry_out(self, process: Process) -> None:
        member = process.member
        effects, member.effects = member.effects, []
        for effect in effects:
            self._carry_out_one(process, type(effect).__name__, effect)
        if process.alive and not process.replaced:
            at = process.true_ms(member.next_tick_ms())
            if at < process.ticks_at and not member.gone:
                process.ticks_at = max(at, self.now)
                slack = self._random.uniform(0, SLACK_MS)
                self._at(max(at, self.now) + slack, self._tick, process)
        self._judge_acts(process)
        self._judge_view(process)

    def _carry_out_one(self, process: Process, kind: str, effect: Any) -> None:
        if kind == "Write":
            self._send(process, effect.message)
            return
        self._tell(f"p{process.number} {effect}")
        if kind == "Won":
            self._win(process, effect.ownership)
        elif kind == "Lose":
            if effect.ownership not in process.owned:
                self._break(f"p{process.number} is to hand over what it has not")
            process.losing.add(effect.ownership)
            self._at(self.now + self.case.hand_over_ms, self._hand_over, process, effect.ownership)
        elif kind == "Fenced":
            if effect.ownership in process.owned and self.case.kind == "calm":
                self._break(f"p{process.number} lost {effect.ownership} though nobody died")
            process.owned.discard(effect.ownership)
        elif kind == "Replaced":
            process.replaced = True

    def _win(self, process: Process, ownership: Ownership) -> None:
        holder = self._truth.holder_at(self._place(ownership), ownership.epoch)
        if holder is None or holder != (tuple(process.member.id), ownership.epoch):
            self._break(f"p{process.number} has won {ownership}, which is {holder}'s")
        if any(self._place(each) == self._place(ownership) for each in process.owned):
            self._break(f"p{process.number} has won {ownership} twice")
        process.owned.add(ownership)

    def _hand_over(self, process: Process, ownership: Ownership) -> None:
        if not process.alive:
            return
        if self.now < process.stopped_until:
            self._at(process.stopped_until + 1, self._hand_over, process, ownership)
            return
        process.owned.discard(ownership)
        process.losing.discard(ownership)
        process.member.released(ownership, process.clock(self.now))
        self._carry_out(process)

    # The laws -------------------------------------------------------------------------------------

    @staticmethod
    def _place(ownership: Ownership) -> Place:
        return (ownership.group, ownership.stream), ownership.partition

    def _judge_acts(self, process: Process | None = None) -> None:
        """Nobody acts in the name of what is somebody else's by now. Who comes under a name takes
        its place at once: until the one before has read that, two may act. It is taken for dead."""
        for each in self._everybody() if process is None else (process,):
            for ownership in each.acts_at(self.now):
                place = self._place(ownership)
                holder = self._truth.holders.get(place)
                mine = holder in (None, (tuple(each.member.id), ownership.epoch))
                if not mine and each.member.id not in self._truth.replaced:
                    self._break(f"p{each.number} acts for {ownership}, which is {holder}'s")
                if ownership not in each.losing and place in self._orphans:
                    self._make_good(place)

    def _make_good(self, place: Place) -> None:
        took = self.now - self._orphans.pop(place)
        self.made_good_ms = max(took, self.made_good_ms or 0.0)
        if self.case.kind == "death" and took > MADE_GOOD_MS:
            self._break(f"{place} had no owner for {took:.0f} ms")

    def _judge_view(self, process: Process) -> None:
        """Who knows what others own has it from the log, as all have."""
        ledger = process.member.ledger
        if not ledger.exact or process.member.gone or not process.alive:
            return
        if process.position != len(self._log):
            return
        for subject_number, partitions in enumerate(self._partitions):
            subject = GROUP, f"s{subject_number}"
            for partition in range(partitions):
                seen, true = (
                    ledger.owner(subject, partition),
                    self._truth.holders.get((subject, partition)),
                )
                if (None if seen is None else (tuple(seen.member), seen.epoch)) != true:
                    self._break(f"p{process.number} sees {seen} own {subject, partition}: {true}")
                    return

    def _mark_quiet(self) -> None:
        self._quiet_from = len(self._log)

    def _judge_the_end(self) -> None:
        there = [each for each in self._everybody() if each.alive and not each.member.gone]
        for stream, partitions in enumerate(self._partitions):
            sharing = [each for each in there if stream in each.wants]
            if sharing:
                self._judge_shares(stream, partitions, sharing)
        if self.case.kind == "many":
            self._judge_balance(there)
        for process in there:
            mine = {h.epoch for h in self._truth.holders.values() if h.member == process.member.id}
            if mine != {each.epoch for each in process.owned}:
                self._break(f"p{process.number} does not know all that it owns")
        wrote = len(self._log) - self._quiet_from
        most = len(there) * (QUIET_MS / self._times.beat_ms + 1)
        if wrote > most:
            self._break(f"{wrote} records were written though nothing happened")

    def _judge_shares(self, stream: int, partitions: int, sharing: list[Process]) -> None:
        counts = [
            len([o for o in each.acts_at(self.now) if o.stream == f"s{stream}"]) for each in sharing
        ]
        if sum(counts) != partitions:
            self._break(f"of {partitions} partitions of s{stream} {sum(counts)} have an owner")
        elif max(counts) - min(counts) > 1:
            self._break(f"the shares of s{stream} are {counts}")

    def _judge_balance(self, there: list[Process]) -> None:
        """Streams of one partition each go to all alike, as far as chance would have it."""
        streams = len(self._partitions)
        share = streams / len(there)
        slack = 4 * (share * (1 - 1 / len(there))) ** 0.5
        counts = [len(each.acts_at(self.now)) for each in there]
        if any(abs(count - share) > slack for count in counts):
            self._break(f"of {streams} streams they have {counts}")
