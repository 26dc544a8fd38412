"""The laws of joins, for every strategy. Subclass :class:`JoinLaws` and give it a strategy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Final

from hypothesis import Phase, given, settings
from hypothesis.errors import FlakyFailure

from penstock.core.contracts.join import (
    JoinStrategy,
    JoinView,
    Run,
    Skip,
    SourceState,
    SourceView,
    Wait,
)
from penstock.testing.arrivals import Arrivals, arrivals
from penstock.testing.trial import STARTS_MS, Asked, Raised, answer_of, fault_of, play

_DECLARED: Final[dict[str, str]] = {}
"""Laws for joins that declare an attribute: the name of the test, and that of the attribute."""

_PHASES: Final = (Phase.generate, Phase.shrink)


class BrokenLawError(AssertionError):
    """A join breaks a law. The text has the smallest arrivals that were found to show it."""

    def __init__(self, law: str, lines: Iterable[str] = ()) -> None:
        super().__init__("\n".join([law, *lines]))


def law(
    sentence: str, *, declared: str | None = None, windows: bool = True
) -> Callable[[Callable[..., None]], Callable[[JoinLaws], None]]:
    """Check a method over all kinds of arrivals, and tell of the smallest that break it.

    ``sentence`` is the law in words. It is for joins that declare the attribute ``declared``.
    """

    def decorate(method: Callable[..., None]) -> Callable[[JoinLaws], None]:
        def test(self: JoinLaws) -> None:
            __tracebackhide__ = True
            self.check_law(sentence, method, windows=windows)

        test.__name__ = method.__name__
        test.__doc__ = sentence
        if declared is not None:
            _DECLARED[method.__name__] = declared
        return test

    return decorate


class JoinLaws:
    """The laws that a join has to keep.

    A subclass tests one join, made with some arguments: ``class TestQuorum(JoinLaws):`` with the
    one line ``join = QuorumJoin(2)``.

    Each law is a test over sequences of arrivals in virtual time, on the real engine. What breaks
    it is shrunk to the smallest sequence that does. What the engine sees to whatever a strategy
    answers (one visit has one outcome, a duplicate changes nothing, tensors come in the
    manifest's order) is no law of a strategy, and not tested here.

    A strategy must be such that ``copy.deepcopy`` makes another one like it.
    """

    join: ClassVar[JoinStrategy]
    """The strategy under test. It is copied, and never asked itself."""

    sources: ClassVar[Iterable[int]] = (1, 2, 3, 4)
    """The numbers of sources to join; those that ``check`` refuses are left out."""

    longest_gap_ms: ClassVar[int] = 100
    """The longest time between two records, and the longest window. Times that the join itself
    waits for should be shorter."""

    max_examples: ClassVar[int] = 200
    """How many sequences are tried for each law, the same ones every time."""

    def __init_subclass__(cls) -> None:
        """Leave laws out that are for joins which declare more than this one does."""
        super().__init_subclass__()
        join = getattr(cls, "join", None)
        for name, declared in _DECLARED.items():
            if join is not None and not getattr(join, declared):
                setattr(cls, name, None)

    @law("The same view gets the same answer, from every instance and however often it is asked")
    def test_same_view_gets_the_same_answer(self, sentence: str, drawn: Arrivals) -> None:
        asked_before = self._copy()
        for _ in range(2):
            # One instance serves all requests of a pipeline, so it may have seen others before.
            trial = play(asked_before, drawn)
            for asked in trial.asked:
                for whom, again in (
                    ("asked again", answer_of(asked_before, asked.view)),
                    ("as a new instance", answer_of(self._copy(), asked.view)),
                ):
                    if _as_compared(again) != _as_compared(asked.answer):
                        raise BrokenLawError(
                            sentence,
                            [
                                *trial.lines(asked.at_ms),
                                f"then: {_told(asked.answer)}; {whom}, it {_told(again)}",
                                "expected: no memory, no clock and no chance in decide",
                            ],
                        )

    @law("An answer is a Wait, a Run with values, or a Skip with a reason")
    def test_answer_stands_on_what_is_there(self, sentence: str, drawn: Arrivals) -> None:
        trial = play(self._copy(), drawn)
        for asked in trial.asked:
            fault = fault_of(asked)
            if fault is not None:
                raise BrokenLawError(
                    sentence,
                    [
                        *trial.lines(asked.at_ms),
                        f"then: {_told(asked.answer)}",
                        f"expected: {fault}",
                    ],
                )

    @law("No join waits for what can no longer come: neither after its window, nor for no source")
    def test_every_visit_is_ended_by_its_join(self, sentence: str, drawn: Arrivals) -> None:
        trial = play(self._copy(), drawn)
        if not trial.sound or not trial.asked:
            return
        view, answer = last = trial.asked[-1]
        if not isinstance(answer, Wait):
            return
        said = None
        if view.window_ended:
            said = "the window has ended"
        # A join that keeps state may wait for what other requests bring.
        elif (
            self.join.keep is None
            and not view.having(SourceState.OPEN)
            and not _waits_for_a_time(last)
        ):
            said = "every source has ended and it waits for no time to come"
        if said is not None:
            raise BrokenLawError(
                sentence,
                [
                    *trial.lines(last.at_ms),
                    f"then: {_told(answer)}, though {said}",
                    "expected: a Run or a Skip",
                ],
            )

    @law("What time decides, time decides: not the next record")
    def test_time_decides_by_itself(self, sentence: str, drawn: Arrivals) -> None:
        trial = play(self._copy(), drawn)
        if not trial.sound:
            return
        strategy = self._copy()
        # A join that nobody asks any more is looked at for a while.
        last_ms = drawn.records[-1].at_ms + 2.0 * self.longest_gap_ms if drawn.records else 0.0
        ends_ms = [*(asked.at_ms for asked in trial.asked[1:]), min(trial.verdict.at_ms, last_ms)]
        for asked, end_ms in zip(trial.asked, ends_ms, strict=False):
            if not isinstance(asked.answer, Wait):
                continue
            for at_ms in range(int(asked.at_ms) + 1, int(end_ms)):
                then = asked.view._replace(now_ms=at_ms + STARTS_MS)
                answer = answer_of(strategy, then)
                if not isinstance(answer, Wait):
                    raise BrokenLawError(
                        sentence,
                        [
                            *trial.lines(asked.at_ms),
                            f"then: {_told(asked.answer)}; at {at_ms} ms, when nobody asks, it "
                            f"would have {_told(answer)}",
                            f"expected: a Wait until {at_ms} ms, to be asked at that time",
                        ],
                    )

    @law(
        "A join that declares reads_states_only looks at nothing but states and the window's end",
        declared="reads_states_only",
    )
    def test_only_states_are_read_where_that_is_declared(
        self, sentence: str, drawn: Arrivals
    ) -> None:
        strategy = self._copy()
        trial = play(strategy, drawn)
        if not trial.sound:
            return
        for asked in trial.asked:
            if isinstance(asked.answer, Wait) and asked.answer.until_ms is not None:
                raise BrokenLawError(
                    sentence,
                    [
                        *trial.lines(asked.at_ms),
                        f"then: {_told(asked.answer)}",
                        "expected: a Wait without a time, or reads_states_only = False",
                    ],
                )
            for what, other in _of_the_same_states(asked.view, self.longest_gap_ms):
                answer = answer_of(strategy, other)
                if _as_compared(answer) != _as_compared(asked.answer):
                    raise BrokenLawError(
                        sentence,
                        [
                            *trial.lines(asked.at_ms),
                            f"then: {_told(asked.answer)}; {what}, it {_told(answer)}",
                            "expected: the same answer, or reads_states_only = False",
                        ],
                    )

    @law(
        "A join that declares order_free has the same outcome in whatever order the records come",
        declared="order_free",
        windows=False,
    )
    def test_order_of_arrival_does_not_matter_where_that_is_declared(
        self, sentence: str, drawn: Arrivals
    ) -> None:
        first = play(self._copy(), drawn)
        # Every order can be made from exchanges of neighbours, so it is enough to look at those.
        for i in range(1, len(drawn.records)):
            order = list(range(len(drawn.records)))
            order[i - 1 : i + 1] = i, i - 1
            other = play(self._copy(), drawn.reordered(order))
            if first.sound and other.sound and first.verdict.outcome != other.verdict.outcome:
                raise BrokenLawError(
                    sentence,
                    [
                        *first.lines(),
                        f"then: {first.verdict}",
                        "in another order:",
                        *other.lines()[1:],
                        f"then: {other.verdict}",
                        "expected: the same outcome, or order_free = False",
                    ],
                )

    @law("A failure is not passed off as an absence")
    def test_failure_is_not_passed_off_as_absence(self, sentence: str, drawn: Arrivals) -> None:
        trial = play(self._copy(), drawn)
        if not trial.sound or trial.verdict.kind != "skipped":
            return
        view, answer = trial.asked[-1]
        failed = view.having(SourceState.FAILED)
        if failed and not view.having(SourceState.ABSENT) and isinstance(answer, Skip):
            raise BrokenLawError(
                sentence,
                [
                    *trial.lines(),
                    f"then: {trial.verdict} (because={answer.because})",
                    f"expected: failed; a Skip whose because is None or names {list(failed)}, as "
                    "no source is absent",
                ],
            )

    def check_law(self, sentence: str, method: Callable[..., None], *, windows: bool) -> None:
        """Try a law on as many arrivals as told. Raises BrokenLawError with the smallest found."""
        __tracebackhide__ = True
        counts = self._counts()
        found: list[tuple[Arrivals, BrokenLawError]] = []

        def check(drawn: Arrivals) -> None:
            try:
                method(self, sentence, drawn)
            except BrokenLawError as error:
                found.append((drawn, error))
                raise

        # Hypothesis tells tests apart by their names. The same examples every time: what has
        # passed goes on passing, and what failed can be looked at again, without a database of
        # what was found for a join that was another one then.
        check.__name__ = f"{type(self).__name__}_{method.__name__}"
        limits = settings(
            max_examples=self.max_examples,
            deadline=None,
            phases=_PHASES,
            derandomize=True,
            database=None,
        )
        state = self.join.keep is not None
        drawn = arrivals(counts, self.longest_gap_ms, windows=windows, state=state)
        again = ""
        try:
            limits(given(drawn)(check))()
        except FlakyFailure:
            if not found:
                raise
            again = "\n(not each time: the join depends on more than what it is shown)"
        except BrokenLawError:
            pass
        if found:
            smallest = _smallest(found, check, counts)
            # Without the notes of hypothesis, which tell the same in code.
            raise BrokenLawError(f"{smallest}{again}") from None

    def _copy(self) -> JoinStrategy:
        if not isinstance(getattr(type(self), "join", None), JoinStrategy):
            raise TypeError(f"{type(self).__name__} needs its join: write 'join = MyJoin()'")
        return copy.deepcopy(type(self).join)

    def _counts(self) -> list[int]:
        refusals = {}
        accepted = []
        for count in type(self).sources:
            try:
                self._copy().check(Arrivals(count, ()).references())
            except ValueError as error:
                refusals[count] = str(error)
            else:
                accepted.append(count)
        if not accepted:
            raise ValueError(
                f"the join refuses every number of sources that {type(self).__name__}.sources "
                f"names: {refusals}; write the numbers that it takes, as in 'sources = (5, 6)'"
            )
        return accepted


def _smallest(
    found: list[tuple[Arrivals, BrokenLawError]],
    check: Callable[[Arrivals], None],
    counts: Sequence[int],
) -> BrokenLawError:
    """What the smallest arrivals break that can be reached from the last that were found.

    Hypothesis makes what it has drawn smaller, but it does not know that sources and records can
    be taken out or exchanged.
    """
    while True:
        arrivals, error = found[-1]
        for smaller in arrivals.smaller():
            if smaller.sources not in counts:
                continue
            try:
                check(smaller)
            except BrokenLawError:
                break
        else:
            return error


def _waits_for_a_time(asked: Asked) -> bool:
    until_ms = asked.answer.until_ms if isinstance(asked.answer, Wait) else None
    return until_ms is not None and until_ms > asked.view.now_ms


def _of_the_same_states(view: JoinView, longest_ms: int) -> Iterable[tuple[str, JoinView]]:
    """Views that the engine's table of decisions does not tell from this one."""
    bare = tuple(SourceView(s.reference, s.state, None, None, (), None) for s in view.sources)
    yield "when it is not shown tensors, failures and times of sources", view._replace(sources=bare)
    for after_ms in (0, 1, longest_ms, 100 * longest_ms):
        now_ms = view.opened_ms + after_ms
        window_end_ms = now_ms if view.window_ended else None
        yield (
            f"{after_ms} ms after the opening, with the same states",
            view._replace(now_ms=now_ms, window_end_ms=window_end_ms, deadline_ms=now_ms + 1.0),
        )


def _as_compared(answer: object) -> object:
    """Equal for equal answers only: a Run and a Wait are tuples, which may look alike."""
    return type(answer), repr(answer) if isinstance(answer, Raised) else answer


def _told(answer: object) -> str:
    """What a strategy did, with times counted from when the request came."""
    if isinstance(answer, Raised):
        return f"raised {answer}"
    if isinstance(answer, Run):
        return f"answered Run({answer.indexes})"
    if isinstance(answer, Wait):
        until_ms: object = answer.until_ms
        if isinstance(until_ms, int | float):
            return f"answered Wait(until {until_ms - STARTS_MS:g} ms)"
        return f"answered Wait({'' if until_ms is None else repr(until_ms)})"
    if isinstance(answer, Skip):
        because = "" if answer.because is None else f", because={answer.because}"
        return f"answered Skip({answer.reason!r}{because})"
    return f"answered {answer!r}"
