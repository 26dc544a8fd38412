"""Where a join that keeps state cannot be, each with the sentence that its author gets."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.contracts.join import Decision, JoinStrategy, JoinView, Keep, Skip
from penstock.core.plan.compiler import PlanError
from unit.engine.running import compiled
from unit.engine.test_state import pipeline


class Forgetful(JoinStrategy):
    """Does not say what it keeps."""

    scope = "stream"

    def decide(self, view: JoinView) -> Decision:
        return Skip("never")


class Driven(Forgetful):
    """Is driven by what is not there."""

    keep = Keep()

    def driver(self, sources: tuple[str, ...]) -> int:
        return 2


def said(spec: dict[str, Any], **joins: type[JoinStrategy]) -> list[str]:
    with pytest.raises(PlanError) as error:
        compiled(spec, **joins)
    return list(error.value.details)


IN_INPUTS = "spec.steps[2].inputsJoinType: "


def test_by_key_without_a_key() -> None:
    assert said(pipeline("zip", None)) == [
        IN_INPUTS + "the join zip keeps state by key, and the pipeline does not say what its key "
        "is; name a header or an input tensor as input.key"
    ]


def test_triggers() -> None:
    spec = pipeline("inner", triggers=["a", "b"], triggersJoinType="latest")
    assert said(spec) == [
        "spec.steps[2].triggersJoinType: the join latest keeps state across requests, and triggers "
        "are joined within one request; join them as inputs of a step"
    ]


@pytest.mark.parametrize("join", ["latest", "zip"])
def test_inputs_of_other_pipelines(join: str) -> None:
    section = {"externalInputs": ["r", "s"], "joinType": join, "key": "x-who"}
    assert said({**pipeline("latest"), "input": section}) == [
        f"spec.input.joinType: the join {join} keeps state across requests, and what comes of "
        "other pipelines is joined within one request; write joinType: any, and join by it in a "
        "step that reads the input"
    ]


def test_loops() -> None:
    spec = pipeline("latest")
    spec["steps"].append({"name": "d", "inputs": ["d", "a"], "inputsJoinType": "any"})
    spec["steps"][2]["inputs"] = ["d", "b"]
    spec["allowCycles"] = True
    assert said(spec) == [
        IN_INPUTS + "the join latest keeps state across requests, and cannot be in a loop or read "
        "one; put a step of its own between"
    ]


def test_auto_windows_need_a_join_that_does_without() -> None:
    compiled(pipeline("latest", joinWindowMs="auto"))
    assert "auto lets sources drop out" in said(pipeline("zip", joinWindowMs="auto"))[0]


def test_a_join_that_does_not_say_what_it_keeps_or_what_drives_it() -> None:
    assert said(pipeline("forgetful"), forgetful=Forgetful) == [
        IN_INPUTS + "the join forgetful has the scope stream and does not say what it keeps"
    ]
    assert said(pipeline("driven"), driven=Driven) == [
        IN_INPUTS + "the join driven is driven by source 2 of 2"
    ]


@pytest.mark.parametrize(
    ("join", "why"),
    [
        ("latest(missing='wait')", "missing is 'wait', but must be 'skip' or 'run'"),
        ("latest(by='pipeline')", "by is 'pipeline', but must be 'key' or 'stream'"),
        (
            "zip(driver='b')",
            "driver is 'b', but must be one of a.outputs.l, b.outputs.r",
        ),
        ("zip(most=0)", "most is 0, but must be a whole number of 1 or more"),
    ],
)
def test_arguments(join: str, why: str) -> None:
    (sentence,) = said(pipeline(join))
    assert why in sentence


def test_one_source() -> None:
    spec = pipeline("latest", inputs=["a.outputs.l"])
    (sentence,) = said(spec)
    assert sentence == (
        IN_INPUTS + "latest joins one source with others, and there is only a.outputs.l"
    )
