"""Which state is whose: that of a pipeline goes from version to version."""

from __future__ import annotations

from penstock.core.plan.graph import KeptJoin, Plan


class StateStores:
    """The state of every join that serves, by pipeline and consumer."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, KeptJoin]] = {}

    def adopt(self, plan: Plan) -> None:
        """Let a version that is about to serve take over what the one before has kept.

        A join that is made of something else begins with nothing; requests under way go on with
        the state of their version.
        """
        if plan.single_model:
            return
        kept = _taken_over(plan, self._kept.get(plan.name, {}))
        self._kept[plan.name] = kept
        if plan.followed is not None:
            _taken_over(plan.followed, kept)

    def forget(self, pipeline: str) -> None:
        """The pipeline is gone."""
        self._kept.pop(pipeline, None)


def _taken_over(plan: Plan, before: dict[str, KeptJoin]) -> dict[str, KeptJoin]:
    """The joins of a plan that keep state, with the stores of those before that are the same."""
    kept = {}
    for consumer in plan.keeping:
        mine = consumer.inputs.kept
        assert mine is not None, "it keeps state"
        theirs = before.get(mine.consumer)
        if theirs is not None and theirs.signature == mine.signature:
            mine.store = theirs.store
        kept[mine.consumer] = mine
    return kept
