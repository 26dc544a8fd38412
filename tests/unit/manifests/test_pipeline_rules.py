"""What DATAFLOW.md refuses of one pipeline, each rule with the sentence that a person gets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.core.manifests import ManifestSet
from penstock.core.manifests.pipeline_rules import MAX_HINTS

Read = Callable[..., ManifestSet]
Problems = Callable[..., list[str]]

HEAD = "kind: Pipeline\nmetadata: {name: p}\nspec:\n"
NO_NAME = "letters, digits, '-' and '_' are allowed, with a letter or digit at both ends"

REFUSED = {
    "spread without streams": (
        "  layout: spread\n  record: none\n  steps: [{name: a}]",
        [
            "5:11: spec.record: layout spread calls models by way of the streams of steps, and "
            "record: none keeps no streams; write record: boundary or all, or layout: fused"
        ],
    ),
    "a share group in another layout": (
        "  layout: direct\n  dataflow: {shareGroup: true}\n  steps: [{name: a}]",
        [
            "4:11: spec.layout: in layout direct the number of partitions does not bound who "
            "works, and a share group is of no use; write layout: fused, or leave "
            "dataflow.shareGroup out"
        ],
    ),
    "a share group and exactly once": (
        "  delivery: exactly-once\n  dataflow: {shareGroup: true}\n  steps: [{name: a}]",
        [
            "4:13: spec.delivery: what a share group hands out is done at least once: that it is "
            "done cannot be written together with the answer; write delivery: at-least-once, or "
            "leave dataflow.shareGroup out"
        ],
    ),
    "a share group and an order": (
        "  dataflow: {shareGroup: true}\n  steps: [{name: a}]\n  output: {steps: [a], order: key}",
        [
            "6:31: spec.output.order: a share group hands requests out in no order; leave "
            "output.order out, or leave dataflow.shareGroup out"
        ],
    ),
    "a share group and other pipelines": (
        "  dataflow: {shareGroup: true}\n  steps: [{name: a}]\n  input: {externalInputs: [other]}",
        [
            "6:27: spec.input.externalInputs: what other pipelines bring goes together at the "
            "owners of partitions, and is in no share group; leave externalInputs out, or leave "
            "dataflow.shareGroup out"
        ],
    ),
    "key in a header that must not travel": (
        "  input: {key: x-api-key}\n  steps: [{name: a}]",
        [
            "4:16: spec.input.key: the header 'x-api-key' cannot be passed on: only x-* headers "
            "travel with a request, and never those that carry credentials"
        ],
    ),
    "no steps": (
        "  steps: []",
        ["4:10: spec.steps: a pipeline has at least one step"],
    ),
    "illegal step name": (
        "  steps: [{name: a.b}]",
        [f"4:18: spec.steps[0].name: 'a.b' is no name: {NO_NAME}"],
    ),
    "step name too long": (
        f"  steps: [{{name: {'a' * 64}}}]",
        [
            f"4:18: spec.steps[0].name: the name '{'a' * 63}...' has 64 characters, "
            "and 63 are allowed"
        ],
    ),
    "maxHeld without order": (
        "  steps: [{name: a}]\n  output: {steps: [a], maxHeld: 5}",
        [
            "5:33: spec.output.maxHeld: no answer is held back without an order; "
            "write order: key or order: partition, or leave maxHeld out"
        ],
    ),
    "unknown order": (
        "  steps: [{name: a}]\n  output: {steps: [a], order: time}",
        ["5:31: spec.output.order: must be one of 'key' or 'partition', not 'time'"],
    ),
    "nothing may be held": (
        "  steps: [{name: a}]\n  output: {steps: [a], order: key, maxHeld: 0}",
        ["5:45: spec.output.maxHeld: must be at least 1, not 0"],
    ),
    "batch without size": (
        "  steps: [{name: a, batch: {windowMs: 5}}]",
        [
            "4:39: spec.steps[0].batch.windowMs: windowMs without size batches nothing; "
            "write with size how many rows one call takes at most"
        ],
    ),
    "batch of no rows": (
        "  steps: [{name: a, batch: {size: 0}}]",
        ["4:35: spec.steps[0].batch.size: must be at least 1, not 0"],
    ),
    "batch of a pipeline": (
        "  steps: [{name: a, pipeline: q, batch: {size: 8}}]",
        [
            "4:41: spec.steps[0].batch: calls of a pipeline are not batched, and step 'a' calls "
            "the pipeline 'q'; write batch at the steps of that pipeline"
        ],
    ),
    "no number of milliseconds, attempts or rounds": (
        "  steps: [{name: a, joinWindowMs: -1, timeoutMs: 0, retries: 1.5, retryBackoffMs: -2}]\n"
        "  output: {steps: [a], joinWindowMs: 5s}\n  maxStepRevisits: -1\n"
        "  input: {deadlineMs: 0}",
        [
            "4:35: spec.steps[0].joinWindowMs: must be at least 0 or 'auto', not -1",
            "4:50: spec.steps[0].timeoutMs: must be at least 1, not 0",
            "4:62: spec.steps[0].retries: must be a whole number, not 1.5",
            "4:83: spec.steps[0].retryBackoffMs: must be at least 0, not -2",
            "5:38: spec.output.joinWindowMs: must be a whole number or 'auto', not '5s'",
            "6:20: spec.maxStepRevisits: must be at least 0, not -1",
            "7:23: spec.input.deadlineMs: must be at least 1, not 0",
        ],
    ),
    "no choice that there is": (
        "  steps: [{name: a, onError: ignore}]\n  record: some\n  layout: spred\n"
        "  delivery: once\n  allowCycles: yes",
        [
            "4:30: spec.steps[0].onError: must be one of 'fail' or 'absent', not 'ignore'",
            "5:11: spec.record: must be one of 'boundary', 'all' or 'none', not 'some'",
            "6:11: spec.layout: must be one of 'fused', 'spread' or 'direct', not 'spred'; "
            "did you mean 'spread'?",
            "7:13: spec.delivery: must be one of 'at-least-once' or 'exactly-once', not 'once'",
            "8:16: spec.allowCycles: must be true or false, not 'yes'",
        ],
    ),
    "tensorMap to no name": (
        "  steps: [{name: a, tensorMap: {p.inputs.x: '', p.inputs.y: 1}}]",
        [
            '4:45: spec.steps[0].tensorMap["p.inputs.x"]: must be at least 1 characters long, '
            "not ''",
            '4:61: spec.steps[0].tensorMap["p.inputs.y"]: must be text, not 1; put it into quotes',
        ],
    ),
    "step name twice": (
        "  steps:\n  - {name: a}\n  - {name: a, inputs: [a]}",
        [
            "6:12: spec.steps[1].name: the name 'a' is taken by spec.steps[0]; "
            "give the step another name, and name its model with the key model",
        ],
    ),
    "step named as its pipeline": (
        "  steps: [{name: p}]",
        [
            "4:18: spec.steps[0].name: the step 'p' is named as its pipeline; "
            "give the step another name, and name its model with the key model"
        ],
    ),
    "unknown steps": (
        "  steps:\n  - {name: scale}\n  - {name: b, inputs: [scal], triggers: [xyz]}\n"
        "  output: {steps: [B]}",
        [
            "6:24: spec.steps[1].inputs[0]: there is no step 'scal' in this pipeline; "
            "did you mean 'scale'?",
            "6:42: spec.steps[1].triggers[0]: there is no step 'xyz' in this pipeline; "
            "the steps are scale, b",
            "7:20: spec.output.steps[0]: there is no step 'B' in this pipeline; did you mean 'b'?",
        ],
    ),
    "no reference": (
        "  steps: [{name: a, inputs: [p.output.x]}]",
        [
            "4:30: spec.steps[0].inputs[0]: 'p.output.x' is no reference: "
            "after the name comes 'inputs' or 'outputs', not 'output'"
        ],
    ),
    "own output as a source": (
        "  steps: [{name: a, inputs: [p.outputs]}]",
        [
            "4:30: spec.steps[0].inputs[0]: 'p.outputs' is the pipeline's own output, "
            "which nothing inside it can read; read the step that makes it"
        ],
    ),
    "overlap": (
        "  steps:\n  - {name: a}\n  - {name: b, inputs: [a, a.outputs.x], triggers: [a, a]}\n"
        "  output: {steps: [a.outputs.x, a]}",
        [
            "6:27: spec.steps[1].inputs[1]: 'a.outputs.x' overlaps 'a' in this list; "
            "a reference stands once in a list",
            "6:55: spec.steps[1].triggers[1]: 'a' stands twice in this list; "
            "a reference stands once in a list",
            "7:33: spec.output.steps[1]: 'a' overlaps 'a.outputs.x' in this list; "
            "a reference stands once in a list",
        ],
    ),
    "two references to one port, written differently": (
        "  steps: [{name: a, inputs: [p, p.inputs]}]",
        [
            "4:33: spec.steps[0].inputs[1]: 'p.inputs' stands twice in this list; "
            "a reference stands once in a list"
        ],
    ),
    "tensorMap of what is no source there": (
        "  steps:\n  - {name: a, tensorMap: {a.outputs.x: z}}\n"
        "  - {name: b, inputs: [a.outputs.x], triggers: [c], tensorMap: {c.outputs.q: z}}\n"
        "  - {name: c}\n  output: {steps: [b], tensorMap: {c.outputs.x: y}}",
        [
            "5:27: spec.steps[0].tensorMap[\"a.outputs.x\"]: no source here covers 'a.outputs.x'; "
            "did you mean 'p.inputs.x'?",
            "6:65: spec.steps[1].tensorMap[\"c.outputs.q\"]: no source here covers 'c.outputs.q'; "
            "did you mean 'a.outputs.x'?",
            "8:36: spec.output.tensorMap[\"c.outputs.x\"]: no source here covers 'c.outputs.x'; "
            "did you mean 'b.outputs.x'?",
        ],
    ),
    "tensorMap far from every source": (
        "  steps: [{name: a, inputs: [p.inputs.x], tensorMap: {qqqqqqqqqq.outputs.zz: b}}]",
        [
            '4:55: spec.steps[0].tensorMap["qqqqqqqqqq.outputs.zz"]: no source here covers '
            "'qqqqqqqqqq.outputs.zz'; the sources are p.inputs.x"
        ],
    ),
    "tensorMap of a whole port": (
        "  steps: [{name: a, tensorMap: {p: z}}]",
        [
            "4:33: spec.steps[0].tensorMap.p: 'p' names no tensor; a key of tensorMap is written "
            "in full, as 'p.inputs.<tensor>'"
        ],
    ),
    "tensorMap of the input without external inputs": (
        "  steps: [{name: a}]\n  input: {tensorMap: {o.outputs.x: y}}",
        [
            "5:23: spec.input.tensorMap[\"o.outputs.x\"]: no source here covers 'o.outputs.x'; "
            "there are no sources here"
        ],
    ),
    "own input as output": (
        "  steps: [{name: a}]\n  output: {steps: [p.inputs.x, p]}",
        [
            "5:20: spec.output.steps[0]: 'p.inputs.x' is the pipeline's own input, "
            "which cannot be its output; name a step, or what goes into one",
            "5:32: spec.output.steps[1]: 'p' overlaps 'p.inputs.x' in this list; "
            "a reference stands once in a list",
            "5:32: spec.output.steps[1]: 'p.inputs' is the pipeline's own input, "
            "which cannot be its output; name a step, or what goes into one",
        ],
    ),
    "output of nothing": (
        "  steps: [{name: a}]\n  output: {steps: []}",
        [
            "5:19: spec.output.steps: an output has at least one reference; "
            "leave the output out for a pipeline that is asynchronous only"
        ],
    ),
    "circles": (
        "  steps:\n  - {name: a, inputs: [c]}\n  - {name: b, inputs: [a.inputs]}\n"
        "  - {name: c, triggers: [b]}\n  - {name: d, inputs: [d.inputs]}\n"
        "  - {name: e, inputs: [d, a]}",
        [
            "5:5: spec.steps[0]: the steps wait for each other in a circle: a -> b -> c -> a; "
            "allowCycles: true lets them form a loop, if one of them joins its inputs by any",
            "8:5: spec.steps[3]: the step 'd' waits for itself: d -> d; "
            "allowCycles: true lets them form a loop, if one of them joins its inputs by any",
        ],
    ),
    "two tensors of one name under inner": (
        "  steps:\n  - {name: a}\n  - {name: b}\n"
        "  - {name: c, inputs: [a.outputs.x, b.outputs.x]}\n"
        "  - {name: d, inputs: [a.outputs.x, b.outputs.y], tensorMap: {b.outputs.y: x}}",
        [
            "7:37: spec.steps[2].inputs[1]: 'a.outputs.x' and 'b.outputs.x' both bring a tensor "
            "named 'x'; rename one of them with tensorMap",
            "8:37: spec.steps[3].inputs[1]: 'a.outputs.x' and 'b.outputs.y' both bring a tensor "
            "named 'x'; rename one of them with tensorMap",
        ],
    ),
    "model and pipeline": (
        "  steps: [{name: a, model: m, pipeline: q}]",
        [
            "4:11: spec.steps[0]: a step calls a model or a pipeline; "
            "write either model or pipeline",
        ],
    ),
    "itself as a step": (
        "  steps: [{name: a, pipeline: p}]",
        [
            "4:31: spec.steps[0].pipeline: a pipeline cannot be a step of itself; "
            "allowCycles: true lets its steps form a loop",
            "4:31: spec.steps[0].pipeline: the pipeline 'p' has no output, so it cannot be a step; "
            "give it an output section",
        ],
    ),
    "external inputs of itself": (
        "  steps: [{name: a}]\n  input: {externalInputs: [p.step.a, o.x]}",
        [
            "5:28: spec.input.externalInputs[0]: 'p.step.a' is of this pipeline, not of another",
            "5:38: spec.input.externalInputs[1]: 'o.x' is no reference: "
            "after the name comes 'inputs', 'outputs' or 'step', not 'x'",
        ],
    ),
}


@pytest.mark.parametrize(("spec", "sentences"), REFUSED.values(), ids=REFUSED)
def test_refused(problems: Problems, spec: str, sentences: list[str]) -> None:
    assert problems(HEAD + spec) == [f"a.yaml:{sentence}" for sentence in sentences]


ACCEPTED = {
    "triggers only: the inputs are the pipeline's": (
        "  steps: [{name: a}, {name: b, triggers: [a]}]"
    ),
    "one reference as input and as trigger": (
        "  steps: [{name: a}, {name: b, inputs: [a], triggers: [a, p]}]"
    ),
    "two tensors of one source": (
        "  steps: [{name: a}, {name: b, inputs: [a.outputs.x, a.outputs.y]}]"
    ),
    "one name from branches of which one comes": (
        "  steps: [{name: a}, {name: b}, "
        "{name: c, inputs: [a.outputs.x, b.outputs.x], inputsJoinType: any}]"
    ),
    "one name from sources that may not both come": (
        "  steps: [{name: a}, {name: b}, "
        "{name: c, inputs: [a.outputs.x, b.outputs.x], inputsJoinType: outer}]"
    ),
    "one name made two by renaming": (
        "  steps: [{name: a}, {name: b}, {name: c, inputs: [a.outputs.x, b.outputs.x], "
        "tensorMap: {b.outputs.x: y}}]"
    ),
    "one name twice in an output": (
        "  steps: [{name: a}, {name: b}]\n  output: {steps: [a.outputs.x, b.outputs.x]}"
    ),
    "a rename of a tensor within a whole port": (
        "  steps: [{name: a, tensorMap: {p.inputs.x: y}}]\n"
        "  output: {steps: [a], tensorMap: {a.outputs.x.y: z}}"
    ),
    "steps written before those that they read": ("  steps: [{name: b, inputs: [a]}, {name: a}]"),
    "one model in several steps": ("  steps: [{name: a, model: m}, {name: m}]"),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(read: Read, spec: str) -> None:
    manifests = read(HEAD + spec)
    assert list(manifests.pipelines) == ["p"]
    assert manifests.warnings == ()


def test_a_tensor_map_is_not_blamed_for_a_source_that_cannot_be_read(problems: Problems) -> None:
    spec = "  steps: [{name: a}, {name: b, inputs: [aa], tensorMap: {aa.outputs.x: y}}]"
    assert problems(HEAD + spec) == [
        "a.yaml:4:41: spec.steps[1].inputs[0]: there is no step 'aa' in this pipeline; "
        "did you mean 'a'?"
    ]


def test_only_so_many_problems_come_with_the_nearest_name(problems: Problems) -> None:
    steps = "".join(f"  - {{name: s{i}, inputs: [s{i}x]}}\n" for i in range(MAX_HINTS + 5))
    said = problems(f"{HEAD}  steps:\n{steps}")
    assert len(said) == MAX_HINTS + 5
    assert sum("did you mean" in one for one in said) == MAX_HINTS
