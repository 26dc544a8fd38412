"""Joins made from a manifest: strategies bound to their sources."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.core.contracts.join import JoinStrategy, JoinView, Run, SourceState, SourceView
from penstock.core.engine.joining import ask
from penstock.core.joinspec import JoinFactories, JoinSpec, make_join
from penstock.core.plan.graph import JoinPlan
from penstock.core.problems import KeyPath
from penstock.core.references import Source

INNER = JoinSpec("inner")


class JoinMaker:
    """Makes the joins of one pipeline. ``problems`` has what is wrong with them."""

    def __init__(self, factories: JoinFactories) -> None:
        self._factories = factories
        self.problems: list[tuple[KeyPath, str]] = []

    def strategy(self, spec: JoinSpec, sources: Sequence[Source], where: KeyPath) -> JoinStrategy:
        """The strategy that ``spec`` names, for these sources; if it refuses, some other one."""
        try:
            strategy = make_join(spec, self._factories)
            strategy.check(tuple(source.text for source in sources))
        except ValueError as error:
            self.problems.append((where, str(error)))
            strategy = make_join(INNER, self._factories)
        return strategy


def join_plan(strategy: JoinStrategy, references: tuple[str, ...]) -> JoinPlan:
    """A strategy bound to the sources that it joins."""
    if not strategy.reads_states_only:
        return JoinPlan(strategy, references, None, runs_on_value=False)
    runs_on_value = False
    if len(references) == 1:
        value = SourceView(references[0], SourceState.VALUE, None, None, (), None)
        asked = JoinPlan(strategy, references, None, runs_on_value=False)
        view = JoinView((value,), 0.0, 0.0, None, False, 0.0)
        runs_on_value = ask(asked, view) == Run((0,))
    return JoinPlan(strategy, references, {}, runs_on_value)
