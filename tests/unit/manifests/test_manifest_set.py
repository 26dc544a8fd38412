"""What concerns several manifests: what is missing, what stands twice, who needs whom."""

from __future__ import annotations

from collections.abc import Callable

from penstock.core.manifests import (
    ManifestSet,
    Need,
    circles_of_pipelines,
    needs_of,
)
from penstock.core.manifests.manifest_set import MAX_HINTS
from penstock.core.resources import (
    Explainer,
    Metadata,
    Model,
    ModelDeclaration,
    Pipeline,
    PipelineDeclaration,
    PipelineInput,
    Step,
)

Read = Callable[..., ManifestSet]
Problems = Callable[..., list[str]]

MODEL = "{{kind: Model, metadata: {{name: {}}}, spec: {{python: 'a:b'}}}}"
PIPELINE = """
    kind: Pipeline
    metadata: {name: p}
    spec:
      steps:
      - {name: scale}
      - {name: b, model: forrest}
      - {name: c, model: xyz}
"""


def pipeline(name: str, *steps: Step, reads: tuple[str, ...] = ()) -> Pipeline:
    section = PipelineInput(external_inputs=reads) if reads else None
    return Pipeline(
        metadata=Metadata(name=name), spec=PipelineDeclaration(steps=steps, input=section)
    )


def test_missing_models_are_no_problem_and_are_listed_with_the_nearest(read: Read) -> None:
    manifests = read(MODEL.format("scale"), PIPELINE)
    missing = manifests.missing({"Model": ["forest"], "Pipeline": ["xyz"]})
    assert [one.message for one in missing] == [
        "there is no model 'forrest'; did you mean 'forest'?",
        "there is no model 'xyz'",
    ]
    assert [str(one.problem) for one in missing] == [
        "b.yaml:6:22: spec.steps[1].model: there is no model 'forrest'; did you mean 'forest'?",
        "b.yaml:7:22: spec.steps[2].model: there is no model 'xyz'",
    ]
    assert [one.entry.name for one in missing] == ["p", "p"]


def test_nothing_is_missing_of_what_is_there_already(read: Read) -> None:
    known = {"Model": {"scale", "forrest", "xyz"}}
    assert read(PIPELINE).missing(known) == []
    assert known == {"Model": {"scale", "forrest", "xyz"}}


def test_a_step_without_a_model_key_is_told_at_its_name(read: Read) -> None:
    (first, *_) = read(PIPELINE).missing()
    assert str(first.problem) == "a.yaml:5:12: spec.steps[0].name: there is no model 'scale'"


def test_what_the_kinds_need(read: Read) -> None:
    both = pipeline(
        "p",
        Step(name="a", model="m"),
        Step(name="b", pipeline="q"),
        reads=("o.step.s.outputs.x", "not a reference"),
    )
    assert needs_of(both) == [
        Need("Model", "m", ("spec", "steps", 0, "model")),
        Need("Pipeline", "q", ("spec", "steps", 1, "pipeline")),
        Need("Pipeline", "o", ("spec", "input", "externalInputs", 0)),
        Need("Step", "s", ("spec", "input", "externalInputs", 0), "o"),
    ]
    model = Model(
        metadata=Metadata(name="m"),
        spec=ModelDeclaration(
            python="a:b", server="s", explainer=Explainer(type="x", pipeline_ref="p")
        ),
    )
    assert needs_of(model) == [
        Need("Server", "s", ("spec", "server")),
        Need("Pipeline", "p", ("spec", "explainer", "pipelineRef")),
    ]
    experiment = read(
        "{kind: Experiment, metadata: {name: e}, spec: {candidates: [{name: a, weight: 1}], "
        "mirror: {name: b, percent: 5}, resourceType: pipeline}}"
    ).entries[0]
    assert needs_of(experiment.manifest) == [
        Need("Pipeline", "a", ("spec", "candidates", 0, "name")),
        Need("Pipeline", "b", ("spec", "mirror", "name")),
    ]


def test_one_resource_twice(problems: Problems) -> None:
    assert problems(MODEL.format("m"), f"{MODEL.format('n')}\n---\n{MODEL.format('m')}") == [
        "b.yaml:3:32: metadata.name: the model 'm' stands at a.yaml:1:32 already; "
        "take one of them out, or give it another name"
    ]


def test_a_model_and_a_pipeline_of_one_name(read: Read) -> None:
    assert len(read(MODEL.format("p"), PIPELINE).entries) == 2


def test_two_namespaces(problems: Problems, read: Read) -> None:
    text = "{{kind: Model, metadata: {{name: {}, namespace: {}}}, spec: {{python: 'a:b'}}}}"
    assert len(read(text.format("m", "x"), text.format("n", "x"), MODEL.format("o")).entries) == 3
    assert problems(text.format("m", "x"), MODEL.format("o"), text.format("n", "y")) == [
        "c.yaml:1:46: metadata.namespace: the namespace 'y' is not that of the model 'm' ('x'); "
        "one runtime serves one namespace"
    ]


def test_circles_among_pipelines() -> None:
    circle = [
        pipeline("a", Step(name="x", pipeline="b")),
        pipeline("b", Step(name="x"), reads=("c.outputs.t",)),
        pipeline("c", Step(name="x", pipeline="a")),
        pipeline("d", Step(name="x", pipeline="a")),
    ]
    assert circles_of_pipelines(circle) == [("a", "c", "b")]
    assert circles_of_pipelines(circle[1:]) == []


def test_circles_among_pipelines_are_refused(problems: Problems) -> None:
    text = (
        "{{kind: Pipeline, metadata: {{name: {}}}, spec: {{steps: [{{name: s, pipeline: {}}}]}}}}"
    )
    said = problems(text.format("one", "two"), text.format("two", "one"))
    assert (
        "a.yaml:1:35: metadata.name: the pipelines need each other: one -> two -> one; "
        "have one of them do without the next"
    ) in said


class TestSeldonDifferences:
    """A manifest of Seldon's that would answer differently here is warned of."""

    TEXT = """
        apiVersion: {}
        kind: Pipeline
        metadata: {{name: p}}
        spec:
          steps:
          - {{name: a}}
          - {{name: b, inputs: [a.outputs.x, a.outputs.y], triggers: [a.outputs.x, p]}}
          - {{name: c, inputs: [a.outputs.x, a.outputs.y], inputsJoinType: any}}
          output: {{steps: [c.outputs.x, b, c.outputs.y]}}
        """

    def test_several_tensors_of_one_source_under_inner(self, read: Read) -> None:
        rest = (
            "where Seldon Core 2 would go on with any of them; "
            "name the join outer or any to go on without one"
        )
        warnings = read(self.TEXT.format("mlops.seldon.io/v1alpha1")).warnings
        assert [str(warning) for warning in warnings] == [
            f"a.yaml:7:23: spec.steps[1].inputs: all 2 tensors of 'a.outputs' are wanted here, "
            f"{rest}",
            f"a.yaml:9:19: spec.output.steps: all 2 tensors of 'c.outputs' are wanted here, {rest}",
        ]

    def test_our_own_manifests_are_not_warned_of(self, read: Read) -> None:
        assert read(self.TEXT.format("penstock.io/v1")).warnings == ()


def test_only_so_many_missing_names_are_compared(read: Read) -> None:
    steps = ", ".join(f"{{name: model{i}x}}" for i in range(MAX_HINTS + 5))
    manifests = read(f"{{kind: Pipeline, metadata: {{name: p}}, spec: {{steps: [{steps}]}}}}")
    missing = manifests.missing({"Model": [f"model{i}" for i in range(MAX_HINTS + 5)]})
    assert len(missing) == MAX_HINTS + 5
    assert sum(one.nearest is not None for one in missing) == MAX_HINTS
