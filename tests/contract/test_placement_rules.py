"""The laws of filters, sorters and eviction policies, over the built-in ones."""

from __future__ import annotations

import pytest

from penstock.plugins.eviction.cost import CostAware
from penstock.plugins.eviction.lru import LeastRecentlyUsed
from penstock.plugins.placement.capabilities import CapabilitiesFilter
from penstock.plugins.placement.draining import DrainingFilter
from penstock.plugins.placement.explainer import ExplainerFilter
from penstock.plugins.placement.free_memory import FreeMemorySorter
from penstock.plugins.placement.index import IndexSorter
from penstock.plugins.placement.loaded import LoadedSorter
from penstock.plugins.placement.memory import MemoryFilter
from penstock.plugins.placement.packing import PackingSorter
from penstock.plugins.placement.replicas import ReplicasFilter
from penstock.plugins.placement.server import ServerFilter
from penstock.plugins.placement.spreading import SpreadingSorter
from penstock.testing import EvictionLaws, FilterLaws, SorterLaws

pytestmark = pytest.mark.hunt


class TestLeastRecentlyUsed(EvictionLaws):
    policy = LeastRecentlyUsed()


class TestCostAware(EvictionLaws):
    policy = CostAware()


class TestCapabilities(FilterLaws):
    filter = CapabilitiesFilter()


class TestDraining(FilterLaws):
    filter = DrainingFilter()


class TestExplainer(FilterLaws):
    filter = ExplainerFilter()


class TestFreeMemory(SorterLaws):
    sorter = FreeMemorySorter()


class TestIndex(SorterLaws):
    sorter = IndexSorter()


class TestLoaded(SorterLaws):
    sorter = LoadedSorter()


class TestMemory(FilterLaws):
    filter = MemoryFilter()


class TestPacking(SorterLaws):
    sorter = PackingSorter()


class TestReplicas(FilterLaws):
    filter = ReplicasFilter()


class TestServer(FilterLaws):
    filter = ServerFilter()


class TestSpreading(SorterLaws):
    sorter = SpreadingSorter()
