"""The laws of filters and sorters. Subclass :class:`FilterLaws` or :class:`SorterLaws`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import isnan
from typing import ClassVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.core.contracts.placement import (
    Filter,
    ModelDemand,
    PlacementSnapshot,
    ServerSnapshot,
    Sorter,
)

_MIB = 1024 * 1024
_CAPABILITIES = st.frozensets(st.sampled_from(["python", "sklearn", "onnx", "gpu"]))
_MEMORY = st.none() | st.integers(0, 64).map(lambda mib: mib * _MIB)
_MODELS = ["price", "price-explainer", "route"]

demands: st.SearchStrategy[ModelDemand] = st.builds(
    ModelDemand,
    name=st.sampled_from(_MODELS),
    version=st.integers(1, 3),
    requirements=_CAPABILITIES,
    memory_bytes=_MEMORY,
    server=st.none() | st.sampled_from(["east", "west", "north"]),
    replicas=st.integers(1, 4),
    explains=st.booleans(),
)
"""All kinds of demands, also of servers that do not exist."""


def _server(name: str, replica: int) -> st.SearchStrategy[ServerSnapshot]:
    return st.builds(
        ServerSnapshot,
        name=st.just(name),
        replica=st.just(replica),
        capabilities=_CAPABILITIES,
        memory_bytes=_MEMORY,
        free_memory_bytes=_MEMORY,
        models=st.frozensets(st.sampled_from(_MODELS)),
        why_not=st.none() | st.just("is being drained"),
    )


_REPLICAS = (("east", 0), ("east", 1), ("west", 0))

snapshots: st.SearchStrategy[PlacementSnapshot] = (
    st.sets(st.sampled_from(_REPLICAS), min_size=1)
    .flatmap(lambda names: st.tuples(*(_server(*name) for name in sorted(names))))
    .map(PlacementSnapshot)
)
"""One to three replicas of two servers, some full, some drained."""

inherited = settings(
    database=None, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)
"""For laws that many classes inherit: what broke one is not played again to another."""


class _RuleLaws:
    """The laws that filters and sorters have in common."""

    def _question(self) -> Callable[[ModelDemand, ServerSnapshot, PlacementSnapshot], object]:
        """What the rule is asked."""
        raise NotImplementedError

    @inherited
    @given(demands, snapshots)
    def test_the_same_question_has_the_same_answer(
        self, model: ModelDemand, snapshot: PlacementSnapshot
    ) -> None:
        """What was asked before changes nothing, nor does the order of the questions."""
        ask = self._question()
        ask_fresh = copy.deepcopy(ask)  # of a copy of the rule
        first = [ask(model, each, snapshot) for each in snapshot.servers]
        again = [ask_fresh(model, each, snapshot) for each in reversed(snapshot.servers)]
        assert first == again[::-1], "asked again, it says something else"

    @inherited
    @given(demands, snapshots)
    def test_what_it_is_asked_about_stays_as_it_was(
        self, model: ModelDemand, snapshot: PlacementSnapshot
    ) -> None:
        """It changes neither the demand nor the snapshot."""
        ask = self._question()
        before = copy.deepcopy((model, snapshot))
        for each in snapshot.servers:
            ask(model, each, snapshot)
        assert (model, snapshot) == before, "it changed what it was asked about"


class FilterLaws(_RuleLaws):
    """The laws that a filter has to keep.

    A subclass tests one filter: ``class TestMemory(FilterLaws):`` with the one line
    ``filter = MemoryFilter()``. A filter must be such that ``copy.deepcopy`` makes another one
    like it.
    """

    filter: ClassVar[Filter]

    def _question(self) -> Callable[[ModelDemand, ServerSnapshot, PlacementSnapshot], object]:
        return self.filter.refuse

    @inherited
    @given(demands, snapshots)
    def test_a_refusal_is_the_rest_of_a_sentence(
        self, model: ModelDemand, snapshot: PlacementSnapshot
    ) -> None:
        """It can follow the server's name: one line with no capital and no full stop."""
        for each in snapshot.servers:
            said = self.filter.refuse(model, each, snapshot)
            if said is None:
                continue
            assert said.strip(), "a refusal says nothing"
            assert said == said.strip(), f"{said!r} has space around it"
            assert len(said.splitlines()) == 1, f"{said!r} is more than one line"
            assert not said[0].isupper(), f"{said!r} starts with a capital"
            assert not said.endswith("."), f"{said!r} ends with a full stop"


class SorterLaws(_RuleLaws):
    """The laws that a sorter has to keep.

    A subclass tests one sorter: ``class TestIndex(SorterLaws):`` with the one line
    ``sorter = IndexSorter()``. A sorter must be such that ``copy.deepcopy`` makes another one
    like it.
    """

    sorter: ClassVar[Sorter]

    def _question(self) -> Callable[[ModelDemand, ServerSnapshot, PlacementSnapshot], object]:
        return self.sorter.cost

    @inherited
    @given(demands, snapshots)
    def test_a_cost_is_a_number(self, model: ModelDemand, snapshot: PlacementSnapshot) -> None:
        """It has a place in an order."""
        for each in snapshot.servers:
            cost = self.sorter.cost(model, each, snapshot)
            assert not isnan(cost), f"the cost of {each.name}/{each.replica} is not a number"
