"""How a request ended that was played."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple, TypeAlias

from penstock.core.outcomes.choices import OTHERS
from penstock.core.outcomes.dials import listed
from penstock.core.outcomes.windows import ended_by_clock
from penstock.core.plan import Plan
from penstock.core.records import Absent, Failed
from penstock.core.simulation import Outcome

EndingKind: TypeAlias = Literal["answer", "no-output", "failed", "round-again", "done"]
"""With an answer, without one, with a failure, not before another round of a loop (which is where
playing stops), or, in a pipeline without an output, somehow."""


class Ending(NamedTuple):
    """How a request ended.

    ``who`` are the steps that made what is in the answer, ``tensors`` the names that it has there
    (not those that nothing is known of, of which ``others`` says whether there may be some).
    ``code`` and ``step`` are those of a failure (an empty step is one that fails or is late in the
    case itself); ``why`` says for each step of the output why there is none. ``untold`` are the
    steps whose failures no caller is told of: they are dead letters. ``windows`` are the
    joins that the clock ended.
    """

    kind: EndingKind
    who: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()
    code: str = ""
    step: str | None = None
    why: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    others: bool = False

    def told(self, failed: Collection[str | None], late: Collection[str | None]) -> Ending:
        """The same for those to whom it does not matter which step is named of these, nor what
        else failed when the caller is told of a failure, nor that who is late ends as well."""
        if self.kind == "failed":
            of_case = self.step in failed or self.step in late
            return self._replace(step="" if of_case else self.step, untold=())
        return self._replace(untold=tuple(step for step in self.untold if step not in late))

    @property
    def words(self) -> str:
        """The ending as people read it."""
        said = self._words()
        if self.windows:
            windows = "the window" if len(self.windows) == 1 else "the windows"
            said = f"{said}, at the end of {windows} of {listed(self.windows)}"
        if self.untold:
            become = "becomes a dead letter" if len(self.untold) == 1 else "become dead letters"
            said = f"{said}; what failed at {listed(self.untold)} {become}"
        return said

    def _words(self) -> str:
        if self.kind == "answer":
            tensors = f" ({', '.join(self.tensors)})" if self.tensors else ""
            verb = "answers" if len(self.who) == 1 else "answer"
            return f"{listed(self.who)} {verb}{tensors}"
        if self.kind == "no-output":
            return f"no-output: {'; '.join(self.why)}"
        if self.kind == "failed":
            where = f" at {self.step}" if self.step else ", naming the step"
            return self.code if self.step is None else f"{self.code}{where}"
        if self.kind == "round-again":
            return "goes round again"
        return "ends, with nobody to answer"


def ending_of(plan: Plan, outcome: Outcome) -> Ending:
    """How a simulated request ended; ``round-again`` if it did not."""
    untold = tuple(dict.fromkeys(each.step for each in outcome.dead_letters if each.step))
    if not outcome.answers:
        over = plan.output is None and bool(outcome.closed_ms)
        return Ending("done" if over else "round-again", untold=untold)
    answer = outcome.answers[0][1]
    body = answer.body
    windows = tuple(ended_by_clock(plan, outcome))
    if isinstance(body, Absent):
        return Ending("no-output", why=answer.details, untold=untold, windows=windows)
    if isinstance(body, Failed):
        return Ending("failed", code=body.code, step=body.step, untold=untold, windows=windows)
    # The token of a tensor says who made it.
    who = tuple(dict.fromkeys(str(tensor.parameters["token"]) for tensor in body))
    names = [tensor.name for tensor in body]
    known = tuple(name for name in names if not name.endswith(OTHERS))
    others = len(known) < len(names)
    return Ending("answer", who, known, untold=untold, windows=windows, others=others)


def ending_of_begun(plan: Plan, outcome: Outcome) -> Ending:
    """How a simulated request ended that other pipelines began; what its input comes to be is all
    that there is to say where it is no value."""
    body = outcome.port("inputs")
    if isinstance(body, Absent):
        return Ending("no-output", why=(body.reason,))
    if isinstance(body, Failed):
        return Ending("failed", code=body.code, step=body.step)
    return ending_of(plan, outcome)
