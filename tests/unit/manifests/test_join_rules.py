"""Joins of manifests that are refused when a pipeline is compiled, with the sentence and place."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.core.manifests import ManifestSet
from penstock.core.plan.compiler import PlanError, compile_pipeline
from penstock.core.problems import format_path
from penstock.testing.joins import Joins

Read = Callable[..., ManifestSet]

REFUSED = {
    "an unknown join": (
        "inputsJoinType: iner",
        "spec.steps[2].inputsJoinType: there is no join 'iner'; did you mean 'inner'?",
    ),
    "an unknown join of triggers": (
        "triggers: [a], triggersJoinType: nay",
        "spec.steps[2].triggersJoinType: there is no join 'nay'; did you mean 'any'?",
    ),
    "an argument that is missing": (
        "inputsJoinType: quorum",
        "spec.steps[2].inputsJoinType: the join 'quorum' does not fit: "
        "missing a required argument: 'n'; it is written quorum(n, withinMs=None)",
    ),
    "an argument that there is not": (
        "inputsJoinType: 'any(2)'",
        "spec.steps[2].inputsJoinType: the join 'any(2)' does not fit: "
        "too many positional arguments; it is written any",
    ),
    "a count that makes no sense": (
        "inputsJoinType: quorum(0)",
        "spec.steps[2].inputsJoinType: the join 'quorum(0)' is refused: n is 0, but must be a "
        "whole number of 1 or more; it is written quorum(n, withinMs=None)",
    ),
    "a time that makes no sense": (
        "inputsJoinType: {name: first, withinMs: 0}",
        "spec.steps[2].inputsJoinType: the join 'first(withinMs=0)' is refused: withinMs is 0, but "
        "must be more than 0 ms; leave it out to wait as long as sources are open; "
        "it is written first(n=1, withinMs=None)",
    ),
    "more values than sources": (
        "inputsJoinType: quorum(3)",
        "spec.steps[2].inputsJoinType: quorum(3) wants 3 values, but there are 2 sources to join "
        "(a.outputs, b.outputs); write quorum(2) at most, or add sources",
    ),
}


@pytest.mark.parametrize(("join", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused(read: Read, join: str, sentence: str) -> None:
    text = (
        "kind: Pipeline\nmetadata: {name: p}\nspec:\n  steps:\n  - {name: a}\n  - {name: b}\n"
        f"  - {{name: c, inputs: [a, b], {join}}}"
    )
    with pytest.raises(PlanError) as caught:
        compile_pipeline(read(text).pipelines["p"], 1, Joins(), record="none")
    [(path, said)] = caught.value.problems
    assert f"{format_path(path)}: {said}" == sentence
