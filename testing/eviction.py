"""The laws of eviction policies. Subclass :class:`EvictionLaws`."""

from __future__ import annotations

import copy
from dataclasses import replace
from math import isnan
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.eviction import EvictionPolicy, ResidentModel
from penstock.testing.placement import inherited

_TIMES = st.floats(0.0, 1e9)

residents: st.SearchStrategy[ResidentModel] = st.builds(
    lambda model, idle: replace(
        model, idle_ms=model.resident_ms * idle if model.calls else model.resident_ms
    ),
    st.builds(
        ResidentModel,
        name=st.sampled_from(["price", "route"]),
        version=st.integers(1, 3),
        memory_bytes=st.integers(1, 2**40),
        load_ms=_TIMES,
        resident_ms=_TIMES,
        idle_ms=_TIMES,
        calls=st.integers(0, 2**40),
    ),
    st.floats(0.0, 1.0),
)
"""Models that came in a moment or days ago, with and without calls, small and large."""


class EvictionLaws:
    """The laws that an eviction policy has to keep.

    A subclass tests one policy: ``class TestLeastRecentlyUsed(EvictionLaws):`` with the one line
    ``policy = LeastRecentlyUsed()``. A policy must be such that ``copy.deepcopy`` makes another
    one like it.
    """

    policy: ClassVar[EvictionPolicy]

    @inherited
    @given(st.lists(residents, min_size=1, max_size=5))
    def test_the_same_model_is_worth_the_same(self, models: list[ResidentModel]) -> None:
        """What was asked before changes nothing, nor does the order of the questions."""
        fresh = copy.deepcopy(self.policy)
        first = [self.policy.worth(each) for each in models]
        again = [fresh.worth(each) for each in reversed(models)]
        assert first == again[::-1], "asked again, it says something else"

    @inherited
    @given(residents)
    def test_a_worth_is_a_number(self, model: ResidentModel) -> None:
        """It has a place in an order."""
        assert not isnan(self.policy.worth(model)), "what the model is worth is not a number"

    @inherited
    @given(residents, st.floats(0.0, 1e9))
    def test_what_is_not_called_is_worth_no_more_later(
        self, model: ResidentModel, later_ms: float
    ) -> None:
        """Time without calls never makes a model worth more: what nobody calls goes one day."""
        later = replace(
            model, resident_ms=model.resident_ms + later_ms, idle_ms=model.idle_ms + later_ms
        )
        assert self.policy.worth(later) <= self.policy.worth(model), (
            f"it is worth more {later_ms} ms later, without a call"
        )
