"""Layouts over the memory transport, against one process without any."""

from __future__ import annotations

import os
from functools import partial
from typing import Final

import pytest

from contract.direct_layout import Direct
from contract.example_pipelines import REQUESTS, example_models, example_workload
from contract.layouts import Layout, disagreements
from contract.scripted_pipelines import as_a_step, random_workload, with_readers
from contract.streamed_layouts import Streamed, opened_as
from harness.handed_out import HandingOut
from harness.virtual_time import in_virtual_time
from penstock.core.clock import SystemClock
from penstock.transports.memory import MemoryOptions, MemoryTransport

PIPELINES: Final = int(os.environ.get("PENSTOCK_EXAMPLES", "60"))
"""Random ones for each layout; more for a long soak."""


in_memory: Final = opened_as(lambda clock: MemoryTransport(MemoryOptions(), clock=clock))
handed_out: Final = opened_as(lambda clock: HandingOut(MemoryOptions(), clock=clock))

HANDED_OUT: Final = Streamed(handed_out, spread=False, shared=True, workers=3)

LAYOUTS: dict[str, Layout] = {
    "fused": Streamed(in_memory, spread=False),
    "fused on two workers": Streamed(in_memory, spread=False, workers=2),
    "fused, handed out one by one": HANDED_OUT,
    "direct": Direct(in_memory),
    "fused, exactly once": Streamed(in_memory, spread=False, exactly_once=True),
    "spread": Streamed(in_memory, spread=True),
    "spread on two of each": Streamed(in_memory, spread=True, workers=2, model_gateways=2),
    "spread on two with all roles": Streamed(in_memory, spread=True, workers=2, together=True),
    "spread, exactly once": Streamed(
        in_memory, spread=True, exactly_once=True, workers=2, model_gateways=2
    ),
}


@pytest.mark.hunt
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_random_pipelines_are_the_same(layout: Layout) -> None:
    for seed in range(PIPELINES):
        # What takes long when it is handed out begins anew, and says so of its deadline.
        workload = random_workload(seed, unhurried=layout is HANDED_OUT)
        found = in_virtual_time(partial(disagreements, layout, workload))
        assert found == [], f"seed {seed}"


@pytest.mark.hunt
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_pipelines_that_read_random_ones_are_the_same(layout: Layout) -> None:
    for seed in range(PIPELINES):
        # Where gateways leave them to workers, callers are told of deadlines by the gateway.
        called = random_workload(seed, unhurried=isinstance(layout, Direct) or layout is HANDED_OUT)
        # Where all is written at the end, it is another source that decides a join first.
        at_the_end = isinstance(layout, Streamed) and layout.exactly_once
        workload = with_readers(called, seed, most_sources=1 if at_the_end else 4)
        found = in_virtual_time(partial(disagreements, layout, workload))
        assert found == [], f"seed {seed}"


@pytest.mark.hunt
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_pipelines_that_read_several_random_ones_decide_the_same(layout: Layout) -> None:
    for seed in range(PIPELINES):
        called = random_workload(seed, unhurried=isinstance(layout, Direct) or layout is HANDED_OUT)
        workload = with_readers(called, seed, of_several=True)
        found = in_virtual_time(partial(disagreements, layout, workload))
        assert found == [], f"seed {seed}"


@pytest.mark.hunt
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_random_pipelines_that_are_steps_are_the_same(layout: Layout) -> None:
    for seed in range(PIPELINES):
        workload = as_a_step(random_workload(seed, unhurried=True), seed)
        found = in_virtual_time(partial(disagreements, layout, workload))
        assert found == [], f"seed {seed}"


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
async def test_examples_are_the_same(layout: Layout) -> None:
    async with example_models() as models:
        for name, (pipeline, tensors) in REQUESTS.items():
            workload = example_workload(pipeline, tensors, models)
            assert await disagreements(layout, workload, SystemClock()) == [], name
