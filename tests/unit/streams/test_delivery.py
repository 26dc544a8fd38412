"""How often and in which order requests end over streams, where their manifest does not say."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.plan import Plan
from penstock.core.plan.compiler import MAX_HELD, compile_pipeline
from penstock.core.resources import Pipeline
from penstock.testing.joins import Joins

OUTPUT: dict[str, Any] = {"steps": ["a"]}
MATCHING = {"externalInputs": ["one.inputs", "two.inputs"], "match": "key"}


def compiled(*, matched: bool = False, **spec: Any) -> Plan:
    pipeline = Pipeline.model_validate(
        {"metadata": {"name": "p"}, "spec": {"steps": [{"name": "a"}], "output": OUTPUT, **spec}}
    )
    return compile_pipeline(
        pipeline, 1, Joins(), record="boundary", matched=matched, followed=True, partitions=4
    )


def ordered(plan: Plan) -> tuple[bool, int, int] | None:
    """Whether answers keep the order of keys, in how many partitions, and how many are held."""
    order = plan.order
    return None if order is None else (order.by_key, order.partitions, order.max_held)


@pytest.mark.parametrize("delivery", [None, "at-least-once", "exactly-once"])
@pytest.mark.parametrize(
    "needs", [{}, {"matched": True}, {"input": MATCHING}], ids=["nothing", "matched", "matches"]
)
def test_what_is_written_holds_and_what_is_not_is_as_it_has_to_be(
    delivery: str | None, needs: dict[str, Any]
) -> None:
    written: dict[str, Any] = {} if delivery is None else {"delivery": delivery}
    plan = compiled(**needs, **written)
    wanted = delivery == "exactly-once" or (delivery is None and needs != {})
    assert plan.exactly_once is wanted
    assert plan.followed is not None
    assert plan.followed.exactly_once is wanted


def test_what_is_matched_ends_in_the_order_of_keys() -> None:
    assert ordered(compiled()) is None
    plan = compiled(matched=True)
    assert ordered(plan) == (True, 4, MAX_HELD)
    assert plan.variant is not None
    assert ordered(plan.variant(frozenset())) == (True, 4, MAX_HELD)


def test_an_order_that_is_written_holds() -> None:
    output = {**OUTPUT, "order": "partition", "maxHeld": 7}
    assert ordered(compiled(matched=True, output=output)) == (False, 4, 7)


def test_who_is_matched_at_least_once_keeps_no_order() -> None:
    assert ordered(compiled(matched=True, delivery="at-least-once")) is None


def test_state_for_all_requests_takes_one_partition_unless_others_are_written() -> None:
    steps: list[dict[str, Any]] = [
        {"name": "a"},
        {"name": "b", "inputs": ["p.inputs.x", "a.outputs.y"]},
    ]
    steps[1]["inputsJoinType"] = "latest(by='stream')"
    assert compiled(steps=steps).partitions == 1
    assert compiled(steps=steps).keeper_of_all == "b"
    assert compiled(steps=steps, dataflow={"partitions": 2}).partitions == 2
    steps[1]["inputsJoinType"] = "latest"
    by_key = compiled(steps=steps, input={"key": "x-who"})
    assert by_key.partitions == 4
    assert by_key.keeper_of_all is None
