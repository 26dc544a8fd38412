"""Where requests have to be: what keeps state or an order has one place for each key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.plan import Plan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.resources import Pipeline
from penstock.core.workers.homes import Homes, spreads_of
from penstock.joins.latest import LatestJoin
from penstock.testing.joins import Joins

STEPS = {"steps": [{"name": "a"}], "output": {"steps": ["a"]}}
BY_KEY = {**STEPS, "input": {"key": "customer"}, "output": {"steps": ["a"], "order": "key"}}


def plan(name: str, spec: dict[str, Any]) -> Plan:
    pipeline = Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})
    return compile_pipeline(pipeline, 1, Joins(latest=LatestJoin), record="boundary")


def keeping(name: str) -> dict[str, Any]:
    return {
        "input": {"key": "customer"},
        "steps": [
            {
                "name": "a",
                "inputs": [f"{name}.inputs.x", f"{name}.inputs.y"],
                "inputsJoinType": "latest",
            }
        ],
        "output": {"steps": ["a"]},
    }


def test_what_keeps_nothing_may_be_anywhere() -> None:
    assert spreads_of([plan("p", STEPS)]) == {"p": "anywhere"}


def test_state_and_order_of_keys_go_by_key() -> None:
    spreads = spreads_of([plan("p", BY_KEY), plan("q", keeping("q"))])
    assert spreads == {"p": "by key", "q": "by key"}


def test_an_order_of_partitions_is_in_one_place() -> None:
    ordered = {**BY_KEY, "output": {"steps": ["a"], "order": "partition"}}
    assert spreads_of([plan("p", ordered)]) == {"p": "in one place"}


def test_readers_that_match_by_identity_are_where_the_request_is() -> None:
    reader = {**STEPS, "input": {"externalInputs": ["p"]}}
    assert spreads_of([plan("p", STEPS), plan("r", reader)]) == {"p": "anywhere", "r": "anywhere"}


def test_readers_that_match_by_key_go_by_that() -> None:
    reader = {**BY_KEY, "input": {"externalInputs": ["p"], "key": "customer", "match": "key"}}
    assert spreads_of([plan("p", BY_KEY), plan("r", reader)]) == {"p": "by key", "r": "by key"}


def test_what_brings_requests_to_state_is_where_that_is() -> None:
    caller = {"steps": [{"name": "inner", "pipeline": "q"}], "output": {"steps": ["inner"]}}
    plans = [plan("c", caller), plan("q", keeping("q")), plan("apart", STEPS)]
    assert spreads_of(plans) == {"c": "in one place", "q": "in one place", "apart": "anywhere"}
    reader = {**keeping("r"), "input": {"externalInputs": ["p"], "key": "customer"}}
    assert spreads_of([plan("r", reader), plan("p", STEPS)]) == {
        "r": "in one place",
        "p": "in one place",
    }


def test_a_group_that_is_not_all_there_yet() -> None:
    caller = {"steps": [{"name": "inner", "pipeline": "q"}], "output": {"steps": ["inner"]}}
    assert spreads_of([plan("c", caller)]) == {"c": "anywhere"}


@given(st.binary(min_size=1), st.integers(1, 64))
def test_a_key_has_one_home_among_the_workers(key: bytes, workers: int) -> None:
    homes = [Homes(workers) for _ in range(2)]
    for each in homes:
        each.update([plan("p", BY_KEY)])
    one, other = (each.of("p", lambda: key) for each in homes)
    assert one == other
    assert one in range(1, workers + 1)


def test_keys_are_spread_over_all() -> None:
    homes = Homes(4)
    homes.update([plan("p", BY_KEY)])
    counts = [0] * 5
    for number in range(4000):
        home = homes.of("p", str(number).encode)
        assert home is not None
        counts[home] += 1
    assert min(counts[1:]) > 800


def test_keys_that_are_identities_and_pipelines_of_no_home() -> None:
    homes = Homes(3)
    homes.update([plan("p", BY_KEY), plan("q", STEPS)])
    assert homes.of("p", lambda: b"") is None
    assert homes.of("q", pytest.fail) is None
    assert homes.of("unknown", pytest.fail) is None


def test_what_is_in_one_place_is_with_the_first() -> None:
    homes = Homes(3)
    homes.update([plan("p", {**BY_KEY, "output": {"steps": ["a"], "order": "partition"}})])
    assert homes.of("p", pytest.fail) == 1
