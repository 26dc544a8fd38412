"""How one join of one visit stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias, TypeGuard

from penstock.core.contracts.join import Decision, Run, Skip
from penstock.core.plan import JoinPlan
from penstock.core.records import Absent, Body, Failed, Tensors

Verdict: TypeAlias = Run | Skip | Failed


class JoinState:
    """How one join of one visit stands.

    ``states`` packs two bits per source (see ``SourceState``). ``ended_ms`` and ``instants`` are
    kept only for strategies that look at more than the states.
    """

    __slots__ = ("ended_ms", "ends", "instants", "plan", "states", "verdict")

    def __init__(self, plan: JoinPlan) -> None:
        self.plan = plan
        self.states = 0
        self.ends: list[Body | None] = [None] * len(plan.references)
        self.verdict: Verdict | None = None
        if plan.decisions is None:
            self.ended_ms: list[float | None] = [None] * len(plan.references)
            self.instants: list[int | None] = [None] * len(plan.references)

    def end(self, position: int, body: Body, now_ms: float, instant: int) -> None:
        """Note how a source ended. A source ends once: what comes after that changes nothing."""
        if self.ends[position] is not None:
            return
        self.ends[position] = body
        kind = type(body)
        state = 2 if kind is Absent else 3 if kind is Failed else 1
        self.states |= state << (2 * position)
        if self.plan.decisions is None:
            self.ended_ms[position] = now_ms
            self.instants[position] = instant

    def by_reference(self) -> Iterator[tuple[str, Body | None]]:
        """The sources as they are written, each with how it has ended, None while it is open."""
        return zip(self.plan.references, self.ends, strict=True)

    def tensors(self, indexes: tuple[int, ...]) -> Tensors:
        """The tensors of the sources at ``indexes``, in that order."""
        ends = self.ends
        return tuple([tensor for i in indexes for tensor in ends[i]])  # type: ignore[misc, union-attr]  # a strategy's Run names values only: ask() sees to it

    def skips_for_absence(self, known: Decision | None) -> TypeGuard[Skip]:
        """Whether this decision is a skip that no failed source can turn into a failure."""
        return type(known) is Skip and Failed not in map(type, self.ends)
