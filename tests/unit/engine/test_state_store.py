"""The bounds of what joins keep, and which version of a pipeline keeps what."""

from __future__ import annotations

from typing import Any

import pytest

from harness.gateway_world import Act, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.join import Keep, Kept
from penstock.core.engine import Engine
from penstock.core.engine.keeping import StateKeeper
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.pipeline_gateway.target import ServedTarget
from penstock.core.plan import Plan
from penstock.core.records import Absent, Body
from penstock.core.simulation import tensor
from penstock.core.state import ENTRY_BYTES, HEAD, StateChange, StateStore
from unit.engine.running import compiled
from unit.engine.test_state import World, pipeline

RECORD = (tensor("x", "of some bytes"),)
SIZE = ENTRY_BYTES + sum(each.nbytes for each in RECORD)


class Request:
    """What the state sees of the join of a request, over a driver and one other source."""

    over = True

    def __init__(self, position: int) -> None:
        self.position = position
        self.identity = f"r{position}"
        self.numbers: list[int | None] = [None, None]
        self.own: list[Body | None] = [None, None]


def bring(store: StateStore, key: bytes, position: int, now_ms: float = 0.0) -> None:
    """A request comes, brings one record, and goes."""
    request = Request(position)
    state = store.enter(key, request, now_ms)
    ends: tuple[Body, ...] = (Absent("left out"), RECORD)
    for source, body in enumerate(ends):
        request.own[source] = body
        store.ended(state, request, source, now_ms)


def kept(store: StateStore) -> list[tuple[bytes, int]]:
    return [(each.key, each.position) for each in store.export() if each.position != HEAD]


# Bytes ------------------------------------------------------------------------------------------


def test_past_its_bytes_the_keys_go_that_changed_longest_ago() -> None:
    store = StateStore(Keep(most=2, max_bytes=3 * SIZE), 2, 0)
    for position, key in enumerate([b"a", b"b", b"a"]):
        bring(store, key, position)
    assert store.nbytes == 3 * SIZE
    bring(store, b"c", 3)
    assert kept(store) == [(b"a", 0), (b"a", 2), (b"c", 3)]
    assert store.nbytes == 3 * SIZE


def test_requests_under_way_keep_their_key_and_the_newcomer_yields() -> None:
    store = StateStore(Keep(most=9, max_bytes=2 * SIZE), 2, 0)
    bring(store, b"a", 0)
    open_one = store.enter(b"a", Request(1), 0.0)
    bring(store, b"b", 2)
    bring(store, b"c", 3)
    assert kept(store) == [(b"a", 0), (b"c", 3)]
    bring(store, b"a", 4)
    bring(store, b"a", 5)
    assert [each.position for each in store.shown(open_one, 1, 0.0)] == [4, 5]
    assert store.nbytes == 2 * SIZE


def test_a_record_that_is_too_big_alone_is_not_kept() -> None:
    store = StateStore(Keep(max_bytes=SIZE - 1), 2, 0)
    bring(store, b"a", 0)
    assert (kept(store), store.nbytes, len(store)) == ([], 0, 0)


def test_what_goes_is_said_so_that_a_copy_forgets_it_too() -> None:
    store = StateStore(Keep(max_bytes=SIZE), 2, 0)
    bring(store, b"a", 0)
    bring(store, b"b", 1)
    newest = {each[:3]: each for each in store.changes}
    assert [each for each in newest.values() if each.kept is not None] == store.export()
    assert newest[b"a", 1, 0] == StateChange(b"a", 1, 0, None)


def test_a_numbered_line_is_bounded_by_bytes_and_goes_on_counting() -> None:
    store = StateStore(Keep(most=9, max_bytes=2 * SIZE, numbered=True), 2, 0)
    for position in range(5):
        bring(store, b"a", position)
    assert [each.position for each in store.export() if each.kept] == [3, 4]
    [head] = [each for each in store.export() if each.position == HEAD]
    assert (head.key, head.source, head.counted) == (b"a", 1, 5)


# Read back --------------------------------------------------------------------------------------


def test_what_is_read_back_ages_by_when_it_changed() -> None:
    def change(key: bytes, at_ms: float) -> StateChange:
        return StateChange(key, 1, 0, Kept("r", 0, 0, at_ms, RECORD))

    store = StateStore(Keep(max_age_ms=100.0), 2, 0)
    store.restore([change(b"young", 90.0), change(b"old", 10.0)])
    bring(store, b"new", 7, 120.0)
    assert kept(store) == [(b"young", 0), (b"new", 7)]


def test_a_count_that_is_read_back_is_not_forgotten_at_once() -> None:
    store = StateStore(Keep(max_age_ms=100.0, numbered=True), 2, 0)
    count = StateChange(b"a", 1, HEAD, None, 5, at_ms=1000.0)
    store.restore([count])
    bring(store, b"b", 7, 1050.0)
    assert count in store.export()
    bring(store, b"b", 8, 1101.0)
    assert count not in store.export()


# Versions ---------------------------------------------------------------------------------------


def store_of(states: StateKeeper, plan: Plan) -> StateStore:
    (join,) = plan.kept_joins
    return states.store_of(plan.name, join)


def adopted(states: StateKeeper, spec: dict[str, Any]) -> StateStore:
    plan = compiled(spec)
    states.adopt(plan)
    return store_of(states, plan)


def test_a_version_with_the_same_join_goes_on_with_its_state() -> None:
    states = Engine(lambda: 0.5).states
    first = adopted(states, pipeline("latest"))
    assert adopted(states, pipeline("latest", joinWindowMs=50)) is first


@pytest.mark.parametrize(
    "other",
    [
        pipeline("zip"),
        pipeline("latest", key="x-other"),
        pipeline("latest", inputs=["b.outputs.r", "a.outputs.l"]),
        pipeline("latest", tensorMap={"a.outputs.l": "left"}),
    ],
    ids=["strategy", "key", "sources", "renames"],
)
def test_one_whose_join_is_made_of_something_else_begins_with_nothing(
    other: dict[str, Any],
) -> None:
    states = Engine(lambda: 0.5).states
    first = adopted(states, pipeline("latest"))
    assert adopted(states, other) is not first
    assert adopted(states, pipeline("latest")) is not first, "only the version before counts"


def test_what_a_deleted_pipeline_kept_is_gone() -> None:
    states = Engine(lambda: 0.5).states
    first = adopted(states, pipeline("latest"))
    states.forget("p")
    states.forget("p")
    assert adopted(states, pipeline("latest")) is not first


def test_requests_under_way_on_an_old_version_bring_to_what_the_new_one_sees() -> None:
    at = World(pipeline("latest"))
    states = at.simulation.engine.states
    states.adopt(at.plan)
    at.send("one", "y", 0.0, b=20.0)
    at.plan = compiled(pipeline("latest"))
    states.adopt(at.plan)
    at.send("two", "x", 5.0, a=30.0)
    at.run()
    assert at.tokens("two") == ["l of two", "r of one"]


def test_deployed_versions_share_and_deleted_ones_do_not() -> None:
    async def main(clock: VirtualClock) -> None:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        for name in "abc":
            at.model(name, [Act("now")])
        stores = []
        for remove in (False, False, True):
            if remove:
                at.remove("p")
            at.pipeline("p", pipeline("latest"))
            target = at.gateway.resolve("p")
            assert isinstance(target, ServedTarget)
            deployment = target.deployment
            assert deployment is not None
            stores.append(store_of(at.dataflow.engine.states, deployment.plan))
        first, second, third = stores
        assert first is second
        assert third is not first

    in_virtual_time(main)
