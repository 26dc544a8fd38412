"""What DATAFLOW.md refuses of loops, each rule with the sentence that a person gets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.core.manifests import ManifestSet

Read = Callable[..., ManifestSet]
Problems = Callable[..., list[str]]

HEAD = "kind: Pipeline\nmetadata: {name: p}\nspec:\n  allowCycles: true\n  steps:\n"

GOOD = {
    "counter": (
        "  - {name: a, inputs: [p, b], inputsJoinType: any}\n"
        "  - {name: b, inputs: [a], triggers: [a.outputs.go]}\n"
        "  - {name: c, inputs: [a], triggers: [a.outputs.stop]}\n"
        "  output: {steps: [c]}"
    ),
    "a step that reads itself": "  - {name: a, inputs: [p, a], inputsJoinType: any}",
    "no loop at all": "  - {name: a}\n  - {name: b, inputs: [a]}",
    "two circles through one turn": (
        "  - {name: a, inputs: [p, b, c], inputsJoinType: any}\n"
        "  - {name: b, inputs: [a]}\n"
        "  - {name: c, inputs: [a]}"
    ),
    "two loops, one behind the other": (
        "  - {name: a, inputs: [p, a], inputsJoinType: any}\n"
        "  - {name: b, inputs: [a.outputs.end]}\n"
        "  - {name: c, inputs: [b, c], inputsJoinType: any}"
    ),
    "a turn within, that only others of the loop reach": (
        "  - {name: a, inputs: [p, b], inputsJoinType: any}\n"
        "  - {name: b, inputs: [a, c]}\n"
        "  - {name: c, inputs: [b.outputs.x], inputsJoinType: any}"
    ),
    "a trigger from outside at a turn": (
        "  - {name: z}\n  - {name: a, inputs: [p, a], inputsJoinType: any, triggers: [z]}"
    ),
}

REFUSED = {
    "a circle without a turn": (
        "  - {name: a, inputs: [p, b]}\n  - {name: b, inputs: [a]}",
        [
            "6:5: spec.steps[0]: no step of the circle a -> b -> a is a turn: its rounds could not "
            "be told from each other; have one of its steps join its inputs by any, with an input "
            "from outside the circle beside the one from inside"
        ],
    ),
    "a circle without a turn within a loop that has one": (
        "  - {name: a, inputs: [p, b], inputsJoinType: any}\n"
        "  - {name: b, inputs: [a, c]}\n"
        "  - {name: c, inputs: [b]}",
        [
            "7:5: spec.steps[1]: no step of the circle b -> c -> b is a turn: its rounds could not "
            "be told from each other; have one of its steps join its inputs by any, with an input "
            "from outside the circle beside the one from inside"
        ],
    ),
    "any without an input from inside": (
        "  - {name: a, inputs: [p], inputsJoinType: any, triggers: [b]}\n"
        "  - {name: b, inputs: [a]}",
        [
            "6:5: spec.steps[0]: no step of the circle a -> b -> a is a turn: its rounds could not "
            "be told from each other; have one of its steps join its inputs by any, with an input "
            "from outside the circle beside the one from inside"
        ],
    ),
    "a circle through triggers alone": (
        "  - {name: a, inputs: [p, b], inputsJoinType: any}\n"
        "  - {name: b, inputs: [a], triggers: [c]}\n"
        "  - {name: c, inputs: [a], triggers: [b]}",
        [
            "7:5: spec.steps[1]: the circle b -> c -> b closes through triggers alone; have one of "
            "its steps read another one of them as an input",
        ],
    ),
    "a turn that is triggered from inside": (
        "  - {name: a, inputs: [p, b], inputsJoinType: any, triggers: [b.outputs.go]}\n"
        "  - {name: b, inputs: [a]}",
        [
            "6:63: spec.steps[0].triggers[0]: 'b.outputs.go' comes from inside the loop of 'a', "
            "'b', and 'a' is a turn of it; a turn has triggers from outside only; give this one to "
            "another step of the loop",
        ],
    ),
    "a loop that nothing enters": (
        "  - {name: a, inputs: [b], inputsJoinType: any}\n  - {name: b, inputs: [a, p]}",
        [
            "6:5: spec.steps[0]: nothing can enter the loop of 'a', 'b'; give one of its turns "
            "('a') an input from outside the loop"
        ],
    ),
    "a step that reads two loops": (
        "  - {name: a, inputs: [p, a], inputsJoinType: any}\n"
        "  - {name: b, inputs: [p, b], inputsJoinType: any}\n"
        "  - {name: c, inputs: [a.outputs.x, b.outputs.y]}\n"
        "  output: {steps: [a, b]}",
        [
            "8:5: spec.steps[2]: step 'c' reads the loop of 'a' and the loop of 'b'; a step reads "
            "one loop; put a step of its own behind each, and read those",
            "9:19: spec.output.steps: the output reads the loop of 'a' and the loop of 'b'; a step "
            "reads one loop; put a step of its own behind each, and read those",
        ],
    ),
    "a step of a loop that reads another": (
        "  - {name: a, inputs: [p, a], inputsJoinType: any}\n"
        "  - {name: b, inputs: [a, b], inputsJoinType: any}",
        [
            "7:5: spec.steps[1]: step 'b' belongs to or reads the loop of 'b' and the loop of 'a'; "
            "a step reads one loop; put a step of its own behind each, and read those"
        ],
    ),
    "loops are looked at when all references are good": (
        "  - {name: a, inputs: [p, b, x]}\n  - {name: b, inputs: [a]}",
        [
            "6:30: spec.steps[0].inputs[2]: there is no step 'x' in this pipeline; "
            "the steps are a, b"
        ],
    ),
}


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_loaded(read: Read, spec: str) -> None:
    assert len(read(HEAD + spec).entries) == 1


@pytest.mark.parametrize(("spec", "sentences"), REFUSED.values(), ids=REFUSED)
def test_refused(problems: Problems, spec: str, sentences: list[str]) -> None:
    assert sorted(problems(HEAD + spec)) == sorted(f"a.yaml:{said}" for said in sentences)
