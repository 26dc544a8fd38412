"""What is refused of pipelines that read others, with the sentences that people get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.core.contracts.control import ManifestText
from penstock.core.manifests import read_manifests
from penstock.core.problems import ProblemsError

SOURCE: dict[str, Any] = {"steps": [{"name": "a"}], "output": {"steps": ["a"]}}


def documents(**specs: dict[str, Any]) -> str:
    return yaml.safe_dump_all(
        {"kind": "Pipeline", "metadata": {"name": name}, "spec": spec}
        for name, spec in specs.items()
    )


def reader(*inputs: str, **section: Any) -> dict[str, Any]:
    return {"input": {"externalInputs": list(inputs), **section}, "steps": [{"name": "b"}]}


def problems(**specs: dict[str, Any]) -> list[str]:
    text = ManifestText(documents(**specs), "p.yaml", str(Path.cwd()))
    try:
        read_manifests([text])
    except ProblemsError as error:
        return [str(each).split(": ", 1)[1] for each in error.problems]
    return []


@pytest.mark.parametrize(
    "reference",
    [
        "src",
        "src.outputs",
        "src.outputs.y",
        "src.inputs",
        "src.inputs.x",
        "src.step.a",
        "src.step.a.inputs",
        "src.step.a.inputs.x",
        "src.step.a.outputs.with.dots",
    ],
)
def test_every_port_of_another_pipeline_can_be_read(reference: str) -> None:
    assert problems(src=SOURCE, r=reader(reference)) == []
    assert problems(src=SOURCE, r=reader("src.inputs", externalTriggers=[reference])) == []


@pytest.mark.parametrize(
    ("specs", "said"),
    {
        "own port": (
            {"r": reader("r.outputs")},
            "spec.input.externalInputs[0]: 'r.outputs' is of this pipeline, not of another",
        ),
        "no reference": (
            {"src": SOURCE, "r": reader("src.steps.a")},
            "spec.input.externalInputs[0]: 'src.steps.a' is no reference: after the name comes "
            "'inputs', 'outputs' or 'step', not 'steps'",
        ),
        "twice": (
            {"src": SOURCE, "r": reader("src", "src.outputs.y")},
            "spec.input.externalInputs[1]: 'src.outputs.y' overlaps 'src' in this list; "
            "a reference stands once in a list",
        ),
        "triggers alone": (
            {
                "src": SOURCE,
                "r": {"input": {"externalTriggers": ["src"]}, "steps": [{"name": "b"}]},
            },
            "spec.input.externalTriggers: triggers gate what is read of other pipelines, and "
            "nothing is read; name in externalInputs what the pipeline takes when they come",
        ),
        "two tensors of one name": (
            {"src": SOURCE, "other": SOURCE, "r": reader("src.outputs.y", "other.outputs.y")},
            "spec.input.externalInputs[1]: 'src.outputs.y' and 'other.outputs.y' both bring a "
            "tensor named 'y'; rename one of them with tensorMap",
        ),
        "a rename of nothing": (
            {"src": SOURCE, "r": reader("src", tensorMap={"src.step.a.outputs.y": "x"})},
            'spec.input.tensorMap["src.step.a.outputs.y"]: no source here covers '
            "'src.step.a.outputs.y'; did you mean 'src.outputs.y'?",
        ),
        "no output": (
            {"src": {"steps": [{"name": "a"}]}, "r": reader("src")},
            "spec.input.externalInputs[0]: pipeline 'src' has no output; read one of its steps, "
            "or give it an output section",
        ),
        "nothing kept": (
            {"src": {**SOURCE, "record": "none"}, "r": reader("src.step.a")},
            "spec.input.externalInputs[0]: pipeline 'src' keeps none of its records "
            "(record: none), and nobody can read them; give pipeline 'src' record: boundary",
        ),
        "inside a loop": (
            {
                "src": {
                    "allowCycles": True,
                    "steps": [
                        {
                            "name": "a",
                            "inputs": ["src", "back.outputs.again"],
                            "inputsJoinType": "any",
                        },
                        {"name": "back", "inputs": ["a"]},
                    ],
                    "output": {"steps": ["back.outputs.end"]},
                },
                "r": reader("src.inputs", externalTriggers=["src.step.back"]),
            },
            "spec.input.externalTriggers[0]: step 'back' of pipeline 'src' is inside a loop, which "
            "other pipelines cannot read; read a step behind the loop, or the pipeline's output",
        ),
        "by key, a step": (
            {"src": SOURCE, "r": reader("src.inputs", "src.step.a.outputs.z", match="key")},
            "spec.input.externalInputs[1]: 'src.step.a.outputs.z' does not keep order, and "
            "input.match: key joins in order; read the input of pipeline 'src', or its output "
            "once it has output.order",
        ),
        "by key, an output": (
            {"src": SOURCE, "r": reader("src", match="key")},
            "spec.input.externalInputs[0]: 'src.outputs' does not keep order, and input.match: key "
            "joins in order; read the input of pipeline 'src', or its output once it has "
            "output.order",
        ),
        "by key, what a share group hands out": (
            {
                "src": {**SOURCE, "dataflow": {"shareGroup": True}},
                "r": reader("src.inputs", match="key"),
            },
            "spec.input.externalInputs[0]: requests to pipeline 'src' are taken through a share "
            "group, in no order, and input.match: key joins in order; leave dataflow.shareGroup "
            "out of pipeline 'src', or input.match out of 'r'",
        ),
        "circle": (
            {
                name: {
                    "input": {"externalInputs": [other]},
                    "steps": [{"name": "s"}],
                    "output": {"steps": ["s"]},
                }
                for name, other in (("a", "b"), ("b", "a"))
            },
            "metadata.name: the pipelines need each other: a -> b -> a; have one of them do "
            "without the next",
        ),
        "circle through a trigger and a child": (
            {
                "a": {
                    "input": {"externalInputs": ["src"], "externalTriggers": ["b.inputs"]},
                    "steps": [{"name": "s"}],
                    "output": {"steps": ["s"]},
                },
                "b": {"steps": [{"name": "s", "pipeline": "a"}], "output": {"steps": ["s"]}},
                "src": SOURCE,
            },
            "metadata.name: the pipelines need each other: a -> b -> a; have one of them do "
            "without the next",
        ),
    }.values(),
    ids=lambda value: None if isinstance(value, dict) else value[:40],
)
def test_refused(specs: dict[str, Any], said: str) -> None:
    assert problems(**specs) == [said]


def test_what_is_missing_comes_with_the_nearest_name() -> None:
    text = documents(
        src={"steps": [{"name": "scale"}]}, r=reader("src.step.scael", "sorce.step.scale")
    )
    read = read_manifests([ManifestText(text, "p.yaml", str(Path.cwd()))])
    models = {"Model": ["scale", "b"]}
    assert [each.message for each in read.missing(models)] == [
        "there is no step 'scael' in pipeline 'src'; did you mean 'scale'?",
        "there is no pipeline 'sorce'; did you mean 'src'?",
    ]
