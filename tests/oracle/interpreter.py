"""Plays one request through a pipeline, event by event, as DATAFLOW.md tells it.

Nothing is clever here: every record looks at every consumer, and no two things share a state that
need not. README.md lists what was decided where the contract leaves room.
"""

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping
from itertools import count

from oracle.model import (
    Attempt,
    Batch,
    Call,
    DeadLetter,
    Ended,
    Graph,
    Join,
    Never,
    Output,
    Produces,
    Raises,
    Result,
    Scenario,
    Step,
    Tensor,
    Tensors,
)
from oracle.references import Reference, resolve
from oracle.verdict import Verdict, verdict

_CLOCK, _CANCEL, _ARRIVAL = range(3)  # the order of what happens at one time


class _Joined:
    """One list of references, and what became of it; a verdict, once reached, stays."""

    def __init__(
        self,
        graph: Graph,
        written: tuple[str, ...],
        join: Join,
        kept: Mapping[Reference, Tensors] | None = None,
    ) -> None:
        self.references = [resolve(graph, reference) for reference in written]
        self.join = join
        self.kept = kept or {}
        self.lacks = False
        self.ends: list[Ended | None] = [None] * len(written)
        self.verdict: Verdict | None = None
        self.chosen: list[tuple[str, Tensors]] = []
        self.failure: Ended | None = None

    def take(self, port: str, record: Ended) -> None:
        """End all references to this port."""
        for at, reference in enumerate(self.references):
            if reference.port == port:
                self.ends[at] = reference.found_in(record)

    def judge(self, window_ended: bool) -> None:
        """Reach the verdict, if it is time."""
        if self.verdict is not None:
            return
        kinds = [None if end is None else end.kind for end in self.ends]
        self.verdict = verdict(self.join, kinds, window_ended)
        if self.verdict == "run" and self.join == "latest":
            self.look_up()
        if self.verdict is None:
            return
        for reference, end in zip(self.references, self.ends, strict=True):
            if end is not None and end.kind == "value":
                self.chosen.append((reference.port, end.tensors))
            if end is not None and end.kind == "failed" and self.failure is None:
                self.failure = end

    def look_up(self) -> None:
        """Put what was kept in the place of what this request did not bring."""
        for at, (reference, end) in enumerate(zip(self.references, self.ends, strict=True)):
            assert end is not None, "latest waits for them"
            if end.kind != "value" and reference in self.kept:
                self.ends[at] = Ended(end.time_ms, "value", self.kept[reference])
            elif end.kind != "value":
                self.lacks = True
                failed = any(each and each.kind == "failed" for each in self.ends)
                self.verdict = "fail" if failed else "skip"


class _Consumer:
    """A step or the output, on its way from the first source to its verdict."""

    def __init__(self, graph: Graph, of: Step | Output, kept: Mapping[str, str]) -> None:
        self.of = of
        self.names = {resolve(graph, key): name for key, name in of.tensor_map.items()}
        if isinstance(of, Step):
            self.inputs = _Joined(
                graph, of.inputs or (graph.name,), of.join, self.named(graph, of, kept)
            )
            self.triggers = _Joined(graph, of.triggers, of.triggers_join)
        else:
            self.inputs = _Joined(graph, of.steps, of.join)
            self.triggers = _Joined(graph, (), "inner")
        self.begun = False
        self.decided = False

    def named(self, graph: Graph, of: Step, kept: Mapping[str, str]) -> dict[Reference, Tensors]:
        """What was kept, by the references of single tensors that it stands for."""
        found: dict[Reference, Tensors] = {}
        for reference in (resolve(graph, written) for written in of.inputs):
            if reference.tensor is not None:
                name = self.names.get(reference, reference.tensor)
                if name in kept:
                    found[reference] = (Tensor(reference.tensor, kept[name]),)
        return found

    def reads(self, port: str) -> bool:
        """Whether a record of this port ends a source here."""
        references = [*self.inputs.references, *self.triggers.references]
        return any(reference.port == port for reference in references)

    def judge(self, window_ended: bool) -> Verdict | None:
        """The verdict of both joins together; skip wins over fail, fail waits for the other."""
        self.inputs.judge(window_ended)
        self.triggers.judge(window_ended)
        both = (self.inputs.verdict, self.triggers.verdict)
        if "skip" in both:
            return "skip"
        if None in both:
            return None
        return "fail" if "fail" in both else "run"

    def failure(self) -> Ended:
        """The failure of a source that makes this consumer fail."""
        joined = self.inputs if self.inputs.verdict == "fail" else self.triggers
        assert joined.failure is not None
        return joined.failure

    def tensors(self) -> Tensors:
        """What the inputs' join chose, in the manifest's order, renamed."""
        return tuple(
            tensor._replace(name=self.names.get(Reference(port, tensor.name), tensor.name))
            for port, tensors in self.inputs.chosen
            for tensor in tensors
        )


class _Passage:
    """The way of one request through the graph."""

    def __init__(self, graph: Graph, scenario: Scenario) -> None:
        self.scenario = scenario
        self.now: float = 0
        self.events: list[tuple[float, int, int, Callable[[], None]]] = []
        self.sequence = count()
        self.records: deque[tuple[str, Ended]] = deque()
        self.steps = {
            step.name: _Consumer(graph, step, scenario.kept.get(step.name, {}))
            for step in graph.steps
        }
        self.output = None if graph.output is None else _Consumer(graph, graph.output, {})
        self.under_way: set[str] = set()  # steps with a call, or in the backoff before one
        self.retries = 0
        self.remembered: list[DeadLetter] = []
        self.ports: dict[str, Ended] = {}
        self.calls: list[Call] = []
        self.dead_letters: list[DeadLetter] = []
        self.late = False
        self.ambiguous = False
        self.shared_ends: set[float] = set()

    def run(self) -> Result:
        if self.scenario.deadline_ms <= 0:
            self.ports["inputs"] = self.intake()
            self.abort("deadline")
        else:
            self.at(self.scenario.deadline_ms, _CLOCK, lambda: self.abort("deadline"))
            if self.scenario.cancel_at_ms is not None:
                self.at(self.scenario.cancel_at_ms, _CANCEL, lambda: self.abort("cancelled"))
            self.end("inputs", self.intake())
            self.deliver()
        while not self.closed():
            self.now, _, _, happen = heapq.heappop(self.events)
            happen()
            self.deliver()
        answer = self.ports.get("outputs")
        return Result(
            self.ports,
            answer,
            self.calls,
            self.dead_letters,
            self.now,
            self.late,
            self.ambiguous,
            frozenset(name for name, step in self.steps.items() if step.inputs.lacks),
        )

    def intake(self) -> Ended:
        tensors = tuple(Tensor(name, name) for name in self.scenario.request)
        return Ended(0, "value" if tensors else "absent", tensors)

    def at(self, time_ms: float, order: int, happen: Callable[[], None]) -> None:
        if time_ms in self.shared_ends:
            self.ambiguous = True
        heapq.heappush(self.events, (time_ms, order, next(self.sequence), happen))

    def closed(self) -> bool:
        return self.answered() and all(f"{name}.outputs" in self.ports for name in self.steps)

    def answered(self) -> bool:
        """Whether no caller can be told of anything any more."""
        return self.output is None or "outputs" in self.ports

    def end(self, port: str, record: Ended) -> None:
        """A port ends; its readers hear of it after what was said before."""
        self.ports[port] = record
        self.records.append((port, record))

    def deliver(self) -> None:
        """Tell every reader of every record, until nothing more follows at this time."""
        while self.records:
            port, record = self.records.popleft()
            for consumer in [*self.steps.values(), *([self.output] if self.output else [])]:
                if consumer.decided or not consumer.reads(port):
                    continue
                consumer.inputs.take(port, record)
                consumer.triggers.take(port, record)
                self.decide(consumer)
                if not consumer.begun and not consumer.decided and consumer.of.window_ms:
                    self.open_window(consumer, consumer.of.window_ms)
                consumer.begun = True

    def open_window(self, consumer: _Consumer, window_ms: int) -> None:
        def window_end() -> None:
            if not consumer.decided:
                self.decide(consumer, window_ended=True)

        self.at(self.now + window_ms, _CLOCK, window_end)

    def decide(self, consumer: _Consumer, window_ended: bool = False) -> None:
        said = consumer.judge(window_ended)
        if said is None:
            return
        consumer.decided = True
        if said == "skip":
            end = Ended(self.now, "absent")
        elif said == "fail":
            end = consumer.failure()._replace(time_ms=self.now)
        else:
            end = Ended(self.now, "value", consumer.tensors())
        if isinstance(consumer.of, Output):
            self.answer(end)
            return
        name = consumer.of.name
        self.end(f"{name}.inputs", end)
        if end.kind != "value":
            self.end(f"{name}.outputs", end)
        elif max(Counter(tensor.name for tensor in end.tensors).values()) > 1:
            self.fail(consumer.of, "step-failed")
        else:
            self.call(consumer.of, 1)

    def call(self, step: Step, number: int) -> None:
        self.under_way.add(step.name)
        tensors = self.ports[f"{step.name}.inputs"].tensors
        self.calls.append(Call(self.now, step.name, number, tensors))
        if step.batch is None:
            self.make(step, number, self.scenario.attempt(step.name, number))
        else:
            self.gather(step, step.batch, number)

    def gather(self, step: Step, batch: Batch, number: int) -> None:
        """Wait for others to be called with, which is seen and not foretold."""
        made = self.scenario.made.get((step.name, number))
        if not made:
            return
        longest = min(batch.window_ms, (self.scenario.deadline_ms - self.now) / 2)
        if not self.now <= made[0].at_ms <= self.now + longest:
            self.late = True
        # Those before the last failed for all in them, which means nothing.
        at_ms, attempt = made[-1]
        ends = {at_ms + attempt.duration_ms}
        if step.timeout_ms is not None:
            ends.add(at_ms + step.timeout_ms)
        if ends & self.shared_ends or any(event[0] in ends for event in self.events):
            self.ambiguous = True  # which comes first is decided by what others do

        def make() -> None:
            self.shared_ends -= ends
            self.make(step, number, attempt)
            self.shared_ends |= ends

        if at_ms == self.now:
            make()
        else:
            self.shared_ends |= ends
            self.at(at_ms, _CLOCK, make)

    def make(self, step: Step, number: int, attempt: Attempt) -> None:
        over = False

        def first(happen: Callable[[], None]) -> Callable[[], None]:
            def once() -> None:
                nonlocal over
                if not over:
                    over = True
                    happen()

            return once

        if step.timeout_ms is not None:
            late = Raises("deadline", retriable=True)
            timeout = first(lambda: self.arrive(step, number, late))
            self.at(self.now + step.timeout_ms, _CLOCK, timeout)
        if not isinstance(attempt.outcome, Never):
            outcome = attempt.outcome
            result = first(lambda: self.arrive(step, number, outcome))
            self.at(self.now + attempt.duration_ms, _ARRIVAL, result)
            if attempt.duplicate_after_ms is not None:
                again = self.now + attempt.duration_ms + attempt.duplicate_after_ms
                self.at(again, _ARRIVAL, result)

    def arrive(self, step: Step, number: int, outcome: Produces | Raises) -> None:
        """The first outcome of an attempt."""
        if isinstance(outcome, Raises):
            if not (outcome.retriable and number <= step.retries and self.retry(step, number)):
                self.fail(step, outcome.code)
            return
        self.under_way.remove(step.name)
        inputs = self.ports[f"{step.name}.inputs"].tensors
        origin = ",".join(f"{tensor.name}={tensor.token}" for tensor in inputs)
        tensors = tuple(Tensor(n, f"{step.name}.{n}({origin})") for n in outcome.names)
        self.end(f"{step.name}.outputs", Ended(self.now, "value" if tensors else "absent", tensors))

    def retry(self, step: Step, number: int) -> bool:
        """Begin the backoff before the next attempt, unless too little time is left for it."""
        jitter = (
            self.scenario.jitter[self.retries] if self.retries < len(self.scenario.jitter) else 0.5
        )
        delay = step.backoff_ms * 2 ** (number - 1) * (0.5 + jitter)
        if self.scenario.deadline_ms - self.now < delay:
            return False
        self.retries += 1
        self.at(self.now + delay, _CLOCK, lambda: self.call(step, number + 1))
        return True

    def fail(self, step: Step, code: str) -> None:
        """A step's own failure, after its retries."""
        self.under_way.discard(step.name)
        if step.on_error == "absent":
            self.end(f"{step.name}.outputs", Ended(self.now, "absent"))
            return
        letter = DeadLetter(code, step.name)
        (self.dead_letters if self.answered() else self.remembered).append(letter)
        self.end(f"{step.name}.outputs", Ended(self.now, "failed", (), code, step.name))

    def answer(self, end: Ended) -> None:
        """Give the answer; what failed beside it has nobody else to be told to."""
        self.ports["outputs"] = end
        told = (end.code, end.step)
        self.dead_letters += [letter for letter in self.remembered if letter != told]
        self.remembered = []

    def abort(self, code: str) -> None:
        """The deadline or the caller's going away ends all that is still open, at once."""
        of = next((name for name in self.steps if name in self.under_way), None) or next(
            (name for name, step in self.steps.items() if step.begun and not step.decided), None
        )
        failure = Ended(self.now, "failed", (), code, of)
        answered = self.answered()
        for name in self.steps:
            if name in self.under_way:
                self.ports[f"{name}.outputs"] = failure._replace(step=name)
                if answered and code == "deadline":
                    self.dead_letters.append(DeadLetter(code, name))
            elif f"{name}.outputs" not in self.ports:
                self.ports[f"{name}.inputs"] = self.ports[f"{name}.outputs"] = failure
        if code == "cancelled":
            self.remembered = []
        if not answered:
            self.answer(failure)


def interpret(graph: Graph, scenario: Scenario) -> Result:
    """Play `scenario` through `graph` to its end."""
    return _Passage(graph, scenario).run()
