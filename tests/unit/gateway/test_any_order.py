"""Requests, callers that leave, models and pipelines that change, in any order: the laws hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.gateway_world import Act, Caller, GatewayWorld, Way
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.inquiries import Search
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.testing.scripts import tensor

MODELS = ("a", "b", "c")
SPECS = (
    {"steps": [{"name": "a"}], "output": {"steps": ["a"]}},
    {"steps": [{"name": "a"}, {"name": "b", "inputs": ["a"]}], "output": {"steps": ["b"]}},
    {
        "steps": [
            {"name": "a", "retries": 2},
            {"name": "b", "timeoutMs": 7},
            {"name": "c", "inputs": ["a", "b"], "inputsJoinType": "any"},
        ],
        "output": {"steps": ["c"]},
    },
    {
        "steps": [
            {"name": "a", "onError": "absent"},
            {"name": "b", "inputs": ["a"], "inputsJoinType": "outer", "joinWindowMs": 4},
            {"name": "c", "triggers": ["a"]},
        ],
        "output": {"steps": ["b", "c"], "stepsJoin": "outer", "joinWindowMs": 9},
    },
    {
        "steps": [
            {"name": "a", "batch": {"size": 4, "windowMs": 3}, "retries": 1},
            {"name": "b", "batch": {"size": 4, "windowMs": 8}, "timeoutMs": 7},
            {"name": "c", "inputs": ["a", "b"], "inputsJoinType": "any", "batch": {"size": 1}},
        ],
        "output": {"steps": ["c"]},
    },
    {
        "steps": [{"name": "a", "retries": 1}, {"name": "b", "inputs": ["a"]}],
        "output": {"steps": ["a", "b"], "order": "partition", "maxHeld": 2},
    },
    {
        "steps": [{"name": f"s{i}", "model": MODELS[i % 3]} for i in range(5)],
        "output": {"steps": [f"s{i}" for i in range(5)]},
    },
)
TIMEOUTS_MS = st.one_of(st.none(), st.integers(1, 40).map(float))
ACTS = st.lists(
    st.builds(Act, st.sampled_from(get_args(Way)), st.integers(0, 12).map(float)),
    min_size=1,
    max_size=4,
)
NAMES = st.sampled_from(("p", "q", "a"))

Move = Callable[[GatewayWorld], None]


def send(name: str, timeout_ms: float | None, then: Move | None) -> Move:
    def move(world: GatewayWorld) -> None:
        within = None if then is None else (lambda caller: then(world))
        caller = Caller(world, within)
        world.callers.append(caller)
        caller.send(name, timeout_ms)

    return move


def submit(name: str) -> Move:
    def move(world: GatewayWorld) -> None:
        with suppress(PenstockError):
            world.gateway.resolve(name).accept(InferenceRequest(None, (tensor("x"),)), {})

    return move


def serve(world: GatewayWorld, name: str, spec: dict[str, object]) -> None:
    """Pipelines of one name are recorded, those of the other are not."""
    world.pipeline(name, spec, "all" if name == "q" else "none")


def leave(number: int) -> Move:
    def move(world: GatewayWorld) -> None:
        if world.callers:
            world.callers[number % len(world.callers)].cancel()

    return move


CHANGES: st.SearchStrategy[Move] = st.one_of(
    st.builds(
        lambda name, acts: lambda world: world.model(name, acts), st.sampled_from(MODELS), ACTS
    ),
    st.builds(lambda name: lambda world: world.withdraw(name), st.sampled_from(MODELS)),
    st.builds(
        lambda name, spec: lambda world: serve(world, name, spec),
        st.sampled_from(("p", "q")),
        st.sampled_from(SPECS),
    ),
    st.builds(lambda name: lambda world: world.remove(name), st.sampled_from(("p", "q"))),
)
LEAVES = st.builds(leave, st.integers(0, 20))
SENDS = st.builds(
    send,
    NAMES,
    TIMEOUTS_MS,
    st.one_of(
        st.none(),
        CHANGES,
        LEAVES,
        st.builds(send, NAMES, TIMEOUTS_MS, st.one_of(st.none(), LEAVES)),
    ),
)
# Requests are the most frequent, and most moves share their moment with others.
MOVES = st.lists(
    st.tuples(
        st.sampled_from((0.0, 0.0, 0.0, 1.0, 3.0, 11.0)),
        st.one_of(SENDS, SENDS, LEAVES, CHANGES, st.builds(submit, NAMES)),
    ),
    max_size=25,
)


@pytest.mark.hunt
@settings(max_examples=400)
@given(
    moves=MOVES,
    acts=st.tuples(ACTS, ACTS, ACTS),
    specs=st.tuples(st.sampled_from(SPECS), st.sampled_from(SPECS)),
    limits=st.builds(
        GatewayLimits, st.sampled_from((1, 2, 50)), st.sampled_from((0, 2, 50)), st.just(60.0)
    ),
    most_per_model=st.sampled_from((1, 2, 50)),
)
def test_every_request_ends_once_and_nothing_stays(
    moves: list[tuple[float, Move]],
    acts: tuple[list[Act], list[Act], list[Act]],
    specs: tuple[dict[str, object], dict[str, object]],
    limits: GatewayLimits,
    most_per_model: int,
) -> None:
    async def main(clock: VirtualClock) -> None:
        world = GatewayWorld(clock, limits, most_per_model)
        for name, of in zip(MODELS, acts, strict=True):
            world.model(name, of)
        world.alone("a")
        for name, spec in zip(("p", "q"), specs, strict=True):
            serve(world, name, spec)
        for wait_ms, move in moves:
            if wait_ms:
                await asyncio.sleep(wait_ms / 1000.0)
            move(world)
        await world.gateway.drain()
        for caller in world.callers:
            answered_once(caller)
        assert world.dataflow.open_passages == 0
        for told in world.desk.find(Search(most=1000)):
            assert told["outcome"] is not None
            assert not told["under_way"]
        for name, version in world.left:
            await world.gateway.drained("pipeline", name, version)
        for instance in world.retired:
            await world.models.drained(instance)
        # Tasks that were given up end as soon as they are given a turn; what is deaf, later.
        await asyncio.sleep(0.1)
        for name in MODELS:
            served = world.models.slot(name).served
            assert served is None or served.calls == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert all(counters.in_flight == 0 for counters in world.metrics.pipelines.values())
        nothing_is_called_for_what_has_ended(world.log)

    in_virtual_time(main)


def answered_once(caller: Caller) -> None:
    (reply,) = caller.replies
    assert isinstance(reply, InferenceResponse | PenstockError)
    if isinstance(reply, InferenceResponse):
        assert reply.model_version == caller.version


def nothing_is_called_for_what_has_ended(log: list[str]) -> None:
    ended: set[str] = set()
    for event in log:
        what, identity = event.split()
        if what == "end":
            ended.add(identity)
        else:
            assert identity not in ended
