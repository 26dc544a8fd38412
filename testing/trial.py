"""One visit of a join on the real engine, and all that its strategy was asked and answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, cast

from penstock.core.contracts.join import (
    Decision,
    JoinStrategy,
    JoinView,
    Run,
    Skip,
    SourceState,
    Wait,
)
from penstock.core.engine import Call
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Absent, Body, Failed
from penstock.core.resources import Pipeline
from penstock.core.simulation import Outcome, Reaction, Simulation
from penstock.testing.arrivals import JOINED, LETTERS, Arrivals
from penstock.testing.joins import Joins
from penstock.testing.scripts import named, puts_out, scripted, tensor

STARTS_MS: Final = 5000.0
"""When the request comes: not at 0, which a strategy might take for the visit's opening."""


class Raised(NamedTuple):
    """What a strategy raised in place of an answer."""

    error: Exception

    def __repr__(self) -> str:
        return f"{type(self.error).__name__}: {self.error}"


class Asked(NamedTuple):
    """One question to a strategy: what it was shown, and what it answered (anything at all)."""

    view: JoinView
    answer: object

    @property
    def at_ms(self) -> float:
        """When that was, since the request came."""
        return self.view.now_ms - STARTS_MS


class Verdict(NamedTuple):
    """How a visit ended: ``ran`` (with the sources at ``indexes``), ``skipped``, ``failed``, or
    ``undecided`` when the request's deadline had to end it."""

    kind: str
    at_ms: float
    indexes: tuple[int, ...] = ()
    reason: str = ""

    @property
    def outcome(self) -> tuple[str, tuple[int, ...]]:
        """What matters of it where time and sentences do not."""
        return self.kind, self.indexes

    def __str__(self) -> str:
        if self.kind == "ran":
            return f"ran with {list(self.indexes)}"
        if self.kind == "undecided":
            return "waited until the deadline of the request"
        return f"{self.kind}: {self.reason}"


def answer_of(strategy: JoinStrategy, view: JoinView) -> object:
    """What a strategy answers, or :class:`Raised`."""
    try:
        return strategy.decide(view)
    except Exception as error:
        return Raised(error)


def is_sound(asked: Asked) -> bool:
    """Whether an answer is one that a strategy may give to that question."""
    return fault_of(asked) is None


def fault_of(asked: Asked) -> str | None:
    """What is wrong with an answer, whatever the strategy is for; None when nothing is."""
    view, answer = asked
    if isinstance(answer, Raised):
        return "an answer"
    if isinstance(answer, Run):
        return (
            _fault_of_run(view, answer.indexes) if not answer.kept else _fault_of_kept(view, answer)
        )
    if isinstance(answer, Skip):
        return _fault_of_skip(view, answer)
    if not isinstance(answer, Wait):
        return "a Wait, a Run or a Skip"
    until_ms: object = answer.until_ms
    if until_ms is None or isinstance(until_ms, int | float):
        return None
    return "a time in milliseconds, or none, to wait until"


def _fault_of_run(view: JoinView, indexes: object) -> str | None:
    if not isinstance(indexes, tuple) or not all(type(i) is int for i in indexes):
        return "a tuple of indexes of sources to run with"
    if not indexes:
        return "a source to run with (or a Skip)"
    if len(set(indexes)) < len(indexes):
        return "each source once"
    missing = [i for i in indexes if i not in view.having(SourceState.VALUE)]
    return f"a run with values only, which {missing} are not" if missing else None


def _fault_of_kept(view: JoinView, run: Run) -> str | None:
    kept = dict(run.kept)
    for source, record in kept.items():
        if source not in run.indexes or not 0 <= source < len(view.sources):
            return f"kept records of sources that it runs with, which {source} is not"
        if not 0 <= record < len(view.sources[source].kept):
            return f"a kept record that is there, which {record} of source {source} is not"
    own = tuple(i for i in run.indexes if i not in kept)
    return _fault_of_run(view, own) if own else None


def _fault_of_skip(view: JoinView, skip: Skip) -> str | None:
    if not isinstance(skip.reason, str) or not skip.reason.strip():
        return "a reason, in a sentence"
    if not isinstance(skip.cause, str) or not skip.cause:
        return "a word for the cause"
    if skip.because is None:
        return None
    if not isinstance(skip.because, tuple) or not all(type(i) is int for i in skip.because):
        return "a tuple of the indexes of the sources that it stands on"
    count = len(view.sources)
    wrong = [i for i in skip.because if not 0 <= i < count]
    return f"a skip that stands on sources, which {wrong} are not" if wrong else None


class WatchedJoin(JoinStrategy):
    """Asks a strategy each time anew, and notes what it was asked and what it answered."""

    def __init__(self, strategy: JoinStrategy) -> None:
        self._strategy = strategy
        self.scope = strategy.scope
        self.keep = strategy.keep
        self.asked: list[Asked] = []

    def driver(self, sources: tuple[str, ...]) -> int:
        return self._strategy.driver(sources)

    def decide(self, view: JoinView) -> Decision:
        answer = answer_of(self._strategy, view)
        self.asked.append(Asked(view, answer))
        if isinstance(answer, Raised):
            raise answer.error
        return cast("Decision", answer)  # the engine is made to stand whatever comes


@dataclass(frozen=True)
class Trial:
    """What became of some arrivals: every question with its answer, and the verdict."""

    arrivals: Arrivals
    asked: tuple[Asked, ...]
    verdict: Verdict
    deadline_ms: float

    @property
    def sound(self) -> bool:
        """Whether every answer is one that a strategy may give."""
        return all(map(is_sound, self.asked))

    def lines(self, until_ms: float | None = None) -> list[str]:
        """What happened, a line each, up to and with a time: that of the verdict unless given."""
        end_ms = self.verdict.at_ms if until_ms is None else until_ms
        arrivals = self.arrivals
        window = "" if arrivals.window_ms is None else f"; a window of {arrivals.window_ms} ms"
        events = [(float(each.at_ms), 1, str(each)) for each in arrivals.records]
        window_end_ms = arrivals.window_end_ms
        if window_end_ms is not None:
            # Time comes before a record of that time.
            events.append((window_end_ms, 0, f"{window_end_ms:>6} ms  window ends"))
        # Records of one time stay in the order in which they come.
        events.sort(key=lambda event: event[:2])
        return [
            f"sources: {', '.join(LETTERS[: arrivals.sources])}{window}",
            *(
                f"earlier, a request of the same key with "
                f"{', '.join(LETTERS[i] for i in values) or 'nothing'}"
                for values in arrivals.before
            ),
            *(line for at_ms, _, line in events if at_ms <= end_ms),
        ]


def play(strategy: JoinStrategy, arrivals: Arrivals) -> Trial:
    """One request over a pipeline whose sources end as told."""
    watched = WatchedJoin(strategy)
    # Long after everything else: nothing that a join should have ended ends by it.
    last_ms = arrivals.records[-1].at_ms if arrivals.records else 0
    deadline_ms = 2.0 * last_ms + (arrivals.window_ms or 0) + 1000.0
    outcome = carried_out(arrivals, lambda: watched, deadline_ms=deadline_ms)
    ended_ms = outcome.at(f"{JOINED}.inputs") - STARTS_MS
    verdict = _verdict(outcome.port(f"{JOINED}.inputs"), ended_ms, deadline_ms)
    # The visits of the requests before were opened earlier.
    asked = tuple(each for each in watched.asked if each.view.opened_ms >= STARTS_MS)
    return Trial(arrivals, asked, verdict, deadline_ms)


def carried_out(
    arrivals: Arrivals,
    make: Callable[[], JoinStrategy],
    *,
    deadline_ms: float,
    again_after_ms: float | None = None,
) -> Outcome:
    """What the engine makes of arrivals, each of which comes again so much later if told so."""
    spec = {**arrivals.spec("tested"), "output": {"steps": [JOINED]}}
    pipeline = Pipeline.model_validate({"metadata": {"name": "p"}, "spec": spec})
    plan = compile_pipeline(pipeline, 1, Joins(tested=make), record="all")
    tested = scripted(arrivals.scripts(again_after_ms=again_after_ms))
    before = [scripted(_at_once(arrivals, values)) for values in arrivals.before]

    def react(call: Call) -> Reaction:
        return ([tested, *before])[int(call.passage.identity)](call)

    simulation = Simulation(react)
    for number, _ in enumerate(before, 1):
        at_ms = STARTS_MS - 1.0 - len(before) + number
        simulation.begin(plan, (tensor("x"),), at_ms=at_ms, identity=str(number), key=b"k")
    outcome = simulation.begin(
        plan, (tensor("x"),), at_ms=STARTS_MS, deadline_ms=deadline_ms, identity="0", key=b"k"
    )
    simulation.run()
    return outcome


def _at_once(arrivals: Arrivals, values: tuple[int, ...]) -> dict[str, Reaction]:
    """A request whose sources are these values and else absent, as soon as it comes."""
    made: dict[str, list[str]] = {}
    for source, reference in enumerate(arrivals.references()):
        tensors = made.setdefault(reference.partition(".")[0], [])
        if source in values:
            tensors.append(LETTERS[source])
    scripts = {step: puts_out(*tensors, after_ms=0.0) for step, tensors in made.items()}
    scripts[JOINED] = puts_out("y", after_ms=0.0)
    return scripts


def _verdict(end: Body, at_ms: float, deadline_ms: float) -> Verdict:
    if isinstance(end, Absent):
        return Verdict("skipped", at_ms, reason=end.reason.partition(" was skipped: ")[2])
    if not isinstance(end, Failed):
        return Verdict("ran", at_ms, tuple(LETTERS.index(name) for name, _ in named(end)))
    if end.code == "deadline" and at_ms >= deadline_ms:
        return Verdict("undecided", at_ms)
    return Verdict("failed", at_ms, reason=end.reason)
