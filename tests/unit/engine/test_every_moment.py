"""A deadline, and a caller that goes away, at every moment of a request that uses everything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.model import Attempt, Graph, Never, Output, Produces, Raises, Scenario, Step
from unit.engine.differential import differences

BUSY = Raises("overloaded", retriable=True)
GRAPH = Graph(
    "p",
    (
        Step("a", retries=2, backoff_ms=4, timeout_ms=9),
        Step("b", on_error="absent"),
        Step("c", ("a.outputs.u", "b"), "outer", window_ms=11, tensor_map={"a.outputs.u": "w"}),
        Step("d", ("b", "a.inputs"), "any", triggers=("c", "a.outputs.v"), triggers_join="any"),
        Step("e", ("d",), triggers=("b",), triggers_join="outer", on_error="absent", retries=1),
        Step("f"),
    ),
    Output(("c", "e", "d.inputs"), "outer", window_ms=30),
)
SCENARIOS = {
    "all goes well": {
        "a": (Attempt(3, BUSY), Attempt(2, Produces(("u", "v")), 5)),
        "b": (Attempt(6, Produces(("v",))),),
        "c": (Attempt(4, Produces(("u",))),),
        "d": (Attempt(7, Produces(("u", "v"))),),
        "e": (Attempt(5, Produces(("u",))),),
        "f": (Attempt(40, Produces(("u",))),),
    },
    "much goes wrong": {
        "a": (Attempt(20, Produces(("u",))), Attempt(3, Raises("step-failed", retriable=False))),
        "b": (Attempt(12, BUSY),),
        "c": (Attempt(4, Produces(("u",))),),
        "d": (Attempt(8, Produces(())),),
        "e": (Attempt(1, BUSY), Attempt(2, Produces(("u",)))),
        "f": (Attempt(1, Never()),),
    },
}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("what", ["deadline_ms", "cancel_at_ms"])
def test_request_may_be_ended_at_any_moment(name: str, what: str) -> None:
    scenario = Scenario(("r",), 90, SCENARIOS[name])
    for at_ms in range(1, 60):
        ended = replace(scenario, **{what: at_ms})  # type: ignore[arg-type]  # both are times
        assert differences(GRAPH, ended) == [], f"{what} {at_ms}"
