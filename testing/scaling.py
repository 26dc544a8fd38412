"""The laws of scalers. Subclass :class:`ScalerLaws`."""

from __future__ import annotations

import copy
from math import isfinite
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.scaler import ModelLoad, Scaler
from penstock.testing.placement import inherited

_FIGURES = st.floats(0.0, 1e6)
_REPLICAS = st.integers(0, 100)

loads: st.SearchStrategy[list[ModelLoad]] = st.lists(
    st.builds(
        ModelLoad,
        name=st.sampled_from(["price", "route", "vote"]),
        replicas=_REPLICAS,
        ready=_REPLICAS,
        min_replicas=st.integers(0, 2),
        max_replicas=_REPLICAS,
        requests_per_s=_FIGURES,
        in_flight=_FIGURES,
        waiting=_FIGURES,
        latency_ms=st.none() | _FIGURES,
        lag=st.none() | _FIGURES,
        memory_bytes=st.none() | st.integers(0, 2**40),
        idle_s=_FIGURES,
        target=st.none() | st.floats(1e-3, 1e6),
    ),
    max_size=3,
    unique_by=lambda load: load.name,
)
"""Snapshots with and without load, of models that are loaded, being loaded or asleep."""


class ScalerLaws:
    """The laws that a scaler has to keep.

    A subclass tests one policy: ``class TestMine(ScalerLaws):`` with the one line
    ``scaler = Mine(...)``. A scaler must be such that ``copy.deepcopy`` makes another one like it.
    """

    scaler: ClassVar[Scaler]

    @inherited
    @given(loads)
    def test_the_same_loads_have_the_same_decisions(self, snapshot: list[ModelLoad]) -> None:
        """What was asked before changes nothing: what remembers is the damping."""
        fresh = copy.deepcopy(self.scaler)
        first = self.scaler.decide(snapshot)
        assert list(first) == list(fresh.decide(snapshot)), "asked again, it decides otherwise"
        assert list(first) == list(self.scaler.decide(snapshot)), "it remembers what it was asked"

    @inherited
    @given(loads)
    def test_a_decision_is_a_number_of_replicas_with_a_reason(
        self, snapshot: list[ModelLoad]
    ) -> None:
        """Of a model that was shown, once, with a sentence for its status."""
        decisions = self.scaler.decide(snapshot)
        names = [decision.model for decision in decisions]
        assert len(set(names)) == len(names), "it decides twice on one model"
        assert set(names) <= {load.name for load in snapshot}, "it decides on what is not there"
        for decision in decisions:
            assert isfinite(decision.replicas), f"{decision.replicas} is no number of replicas"
            assert decision.replicas >= 0.0, f"{decision.replicas} is no number of replicas"
            assert decision.reason.strip(), "it gives no reason"
