"""Joins made from a manifest: strategies bound to their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core.contracts.join import JoinStrategy, JoinView, Kept, Run, SourceState, SourceView
from penstock.core.engine.joining import ask
from penstock.core.joinspec import JoinFactories, JoinSpec, make_join
from penstock.core.plan.graph import JoinPlan, KeptJoin
from penstock.core.problems import KeyPath
from penstock.core.references import Source
from penstock.core.request_key import RequestKey

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

    def kept(
        self,
        strategy: JoinStrategy,
        sources: Sequence[Source],
        tensor_map: Mapping[str, str],
        spec: JoinSpec,
        consumer: str,
        key: RequestKey | None,
        where: KeyPath,
    ) -> KeptJoin | None:
        """What a join keeps, if it keeps anything."""
        if strategy.scope == "request":
            return None
        references = tuple(source.text for source in sources)
        said = None
        if strategy.keep is None:
            said = f"the join {spec} has the scope {strategy.scope} and does not say what it keeps"
        elif strategy.scope == "key" and key is None:
            said = (
                f"the join {spec} keeps state by key, and the pipeline does not say what its key "
                "is; name a header or an input tensor as input.key"
            )
        driver = strategy.driver(references)
        if said is None and not 0 <= driver < len(references):
            said = f"the join {spec} is driven by source {driver} of {len(references)}"
        if said is not None or strategy.keep is None:
            self.problems.append((where, said or ""))
            return None
        signature = repr((str(spec), references, sorted(tensor_map.items()), key))
        by_key = strategy.scope == "key"
        return KeptJoin(consumer, signature, strategy.keep, len(references), driver, by_key=by_key)

    def refuse_state(self, strategy: JoinStrategy, spec: JoinSpec, where: KeyPath, at: str) -> None:
        """Say where a join that keeps state cannot be."""
        if strategy.scope != "request":
            self.problems.append((where, f"the join {spec} keeps state across requests, {at}"))

    def check_auto_window(
        self, where: KeyPath, *joins: tuple[JoinStrategy | None, Sequence[Source]]
    ) -> None:
        """Refuse a window that makes late sources drop out where every source is needed."""
        given = [
            (strategy, tuple(source.text for source in sources))
            for strategy, sources in joins
            if strategy is not None
        ]
        if not any(_can_do_without_one(strategy, references) for strategy, references in given):
            said = (
                "auto lets sources drop out that are late, and this join cannot do without any; "
                "join by outer, any, or a quorum or first of fewer than all, or write milliseconds"
            )
            self.problems.append((where, said))


def _can_do_without_one(strategy: JoinStrategy, references: tuple[str, ...]) -> bool:
    """Whether there is a source without which the join runs, if its window ends before that."""
    asked = JoinPlan(strategy, references, None, runs_on_value=False)
    # What a join that keeps state may have in its place.
    earlier = () if strategy.keep is None else (Kept("earlier", 0, 0, 1.0, ()),)
    values = [
        SourceView(text, SourceState.VALUE, 0.0, i, (), None) for i, text in enumerate(references)
    ]
    for late, reference in enumerate(references):
        sources = (
            *values[:late],
            SourceView(reference, SourceState.OPEN, None, None, (), None, earlier),
            *values[late + 1 :],
        )
        if isinstance(ask(asked, JoinView(sources, 0.0, 1.0, 1.0, True, 2.0)), Run):
            return True
    return False


def join_plan(
    strategy: JoinStrategy, references: tuple[str, ...], kept: KeptJoin | None = None
) -> JoinPlan:
    """A strategy bound to the sources that it joins, and to its state if it keeps any."""
    if kept is not None or not strategy.reads_states_only:
        return JoinPlan(strategy, references, None, runs_on_value=False, kept=kept)
    runs_on_value = False
    if len(references) == 1:
        value = SourceView(references[0], SourceState.VALUE, None, None, (), None)
        asked = JoinPlan(strategy, references, None, runs_on_value=False)
        view = JoinView((value,), 0.0, 0.0, None, False, 0.0)
        runs_on_value = ask(asked, view) == Run((0,))
    return JoinPlan(strategy, references, {}, runs_on_value)
