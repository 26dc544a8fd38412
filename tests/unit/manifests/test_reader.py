"""Reading manifests: documents, kinds, folders, and every problem at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.core.contracts.control import ManifestText
from penstock.core.manifests import ManifestSet, read_manifests
from penstock.core.problems import ProblemsError
from penstock.core.resources import Experiment, Model, Pipeline, Server

Read = Callable[..., ManifestSet]
Problems = Callable[..., list[str]]

CREDIT = """
    apiVersion: penstock.io/v1
    kind: Model
    metadata: {name: scale}
    spec:
      storageUri: ./models/scale
      requirements: [sklearn]
      parameters: {threshold: 0.4}
      memory: 100Mi
    ---
    kind: Pipeline
    metadata: {name: credit}
    spec:
      steps:
      - {name: scale}
      - {name: forest, inputs: [scale], retries: 2, onError: absent}
      - name: vote
        model: voter
        inputs: [forest.outputs.proba]
        triggers: [scale.outputs.ok]
        tensorMap: {forest.outputs.proba: a}
        joinWindowMs: 0
        triggersJoinType: quorum(2, withinMs=50)
      output: {steps: [vote], stepsJoin: any, joinWindowMs: 20}
    """


def test_several_documents(read: Read) -> None:
    manifests = read(CREDIT)
    assert [(entry.kind, entry.name) for entry in manifests.entries] == [
        ("Model", "scale"),
        ("Pipeline", "credit"),
    ]
    scale = manifests.models["scale"]
    assert scale.spec.storage_uri == "/manifests/models/scale"
    assert scale.spec.requirements == ("sklearn",)
    assert scale.spec.parameters == {"threshold": 0.4}
    assert scale.spec.memory == 100 * 1024 * 1024
    assert scale.api_version == "penstock.io/v1"
    first, forest, vote = manifests.pipelines["credit"].spec.steps
    assert (first.inputs, first.triggers, first.model, first.model_name) == (
        (),
        (),
        None,
        "scale",
    )
    assert (forest.retries, forest.retry_backoff_ms, forest.on_error) == (2, 50, "absent")
    assert forest.timeout_ms is None
    assert (vote.model, vote.model_name) == ("voter", "voter")
    assert vote.tensor_map == {"forest.outputs.proba": "a"}
    assert vote.join_window_ms is None
    assert vote.inputs_join_type.name == "inner"
    assert str(vote.triggers_join_type) == "quorum(2, withinMs=50)"
    output = manifests.pipelines["credit"].spec.output
    assert output is not None
    assert (output.steps, output.steps_join.name, output.join_window_ms) == (("vote",), "any", 20)


def test_json(read: Read) -> None:
    text = '{"kind": "Model", "metadata": {"name": "m"}, "spec": {"python": "models:Router"}}'
    assert read(text).models["m"].spec.python == "models:Router"


def test_nothing_at_all(read: Read, problems: Problems) -> None:
    assert read() == ManifestSet()
    said = "there is no manifest in it: it is empty, or has nothing but comments"
    assert problems("# only a comment", "---\n---\n") == [
        f"a.yaml:1:1: {said}",
        f"b.yaml:1:1: {said}",
    ]


def test_a_text_without_manifests_among_others(read: Read) -> None:
    manifests = read("# was: {kind: Model}", CREDIT)
    assert len(manifests.entries) == 2
    assert [str(each) for each in manifests.warnings] == [
        "a.yaml:1:1: there is no manifest in it: it is empty, or has nothing but comments"
    ]


def test_where_a_manifest_was_read(read: Read) -> None:
    (entry,) = read("{kind: Model, metadata: {name: m}, spec: {python: 'a:b'}}").entries
    assert entry.origin.source == "a.yaml"
    assert entry.origin.folder == Path("/manifests")
    assert (entry.kind, entry.name) == ("Model", "m")


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("./models/x", "/manifests/models/x"),
        ("../x", "/x"),
        ("models", "/manifests/models"),
        ("/models/x", "/models/x"),
        ("file:///models/x", "file:///models/x"),
        ("https://example.org/x.zip", "https://example.org/x.zip"),
        ("gs://bucket/x", "gs://bucket/x"),
        ("remote:bucket/x", "remote:bucket/x"),
    ],
)
def test_relative_paths_start_from_the_folder(read: Read, written: str, read_as: str) -> None:
    text = f"{{kind: Model, metadata: {{name: m}}, spec: {{storageUri: '{written}'}}}}"
    assert read(text).models["m"].spec.storage_uri == read_as


def test_a_relative_path_without_a_folder(problems: Problems) -> None:
    text = "{kind: Model, metadata: {name: m}, spec: {storageUri: models/x}}"
    assert problems(text, folder=None) == [
        "a.yaml:1:55: spec.storageUri: the path is relative, and the manifest came without a "
        "folder; write an absolute path"
    ]


def test_every_problem_of_every_text_at_once(problems: Problems) -> None:
    assert problems(
        """
        kind: Pipeline
        metadata: {name: p, label: {a: b}}
        spec:
          steps:
          - {name: scale, retries: -1, timeoutMs: 0}
          - {name: b, inpts: [scale], tensorMap: {scale.outputs.x: y}}
          - {name: c, inputs: [scal], onError: skip}
          - {name: d, inputs: [xyz], joinWindowMs: '5'}
          output: {steps: [e], recrd: all}
        ---
        kind: Model
        metadata: {name: 5}
        spec: {}
        """,
        "kind: [",
        "kind: Modl",
    ) == [
        "a.yaml:2:21: metadata.label: unknown key 'label'; did you mean 'labels'?",
        "a.yaml:5:28: spec.steps[0].retries: must be at least 0, not -1",
        "a.yaml:5:43: spec.steps[0].timeoutMs: must be at least 1, not 0",
        "a.yaml:6:15: spec.steps[1].inpts: unknown key 'inpts'; did you mean 'inputs'?",
        "a.yaml:7:40: spec.steps[2].onError: must be one of 'fail' or 'absent', not 'skip'",
        "a.yaml:8:44: spec.steps[3].joinWindowMs: must be a whole number or 'auto', not '5'",
        "a.yaml:9:24: spec.output.recrd: unknown key 'recrd'; known here: joinWindowMs, "
        "maxHeld, order, steps, stepsJoin, tensorMap",
        "a.yaml:12:18: metadata.name: must be text, not 5; put it into quotes",
        "a.yaml:13:7: spec: nothing says what the model is; write storageUri (a folder or an "
        "address), python (module:name), or requirements (of a server elsewhere that has it)",
        "b.yaml:2:1: this is no YAML: did not find expected node content while parsing a flow node",
        "c.yaml:1:7: kind: there is no kind 'Modl'; did you mean 'Model'?",
    ]


def test_a_step_without_a_readable_name_hides_nothing_elsewhere(problems: Problems) -> None:
    found = problems(
        """
        kind: Pipeline
        metadata: {name: p}
        spec:
          steps:
          - {model: a}
          - {name: b c}
          - {name: d, inputs: [b c, zz]}
          output: {steps: [d, q]}
        """
    )
    assert [problem.split(";")[0] for problem in found] == [
        "a.yaml:5:5: spec.steps[0].name: this key is required",
        "a.yaml:6:12: spec.steps[1].name: 'b c' is no name: letters, digits, '-' and '_' are "
        "allowed, with a letter or digit at both ends",
        "a.yaml:7:29: spec.steps[2].inputs[1]: there is no step 'zz' in this pipeline",
        "a.yaml:8:23: spec.output.steps[1]: there is no step 'q' in this pipeline",
    ]


def test_a_wrong_field_does_not_hide_what_is_wrong_elsewhere(problems: Problems) -> None:
    assert problems(
        """
        kind: Pipeline
        metadata: {name: p}
        spec:
          steps:
          - {name: a, inpts: [b]}
          - {name: b, inputs: [aa]}
          recrd: all
        """
    ) == [
        "a.yaml:5:15: spec.steps[0].inpts: unknown key 'inpts'; did you mean 'inputs'?",
        "a.yaml:6:24: spec.steps[1].inputs[0]: there is no step 'aa' in this pipeline; "
        "did you mean 'a'?",
        "a.yaml:7:3: spec.recrd: unknown key 'recrd'; did you mean 'record'?",
    ]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("- a", ["1:1: a manifest is a mapping with the keys kind, metadata, spec"]),
        ("text", ["1:1: a manifest is a mapping with the keys kind, metadata, spec"]),
        (
            "metadata: {name: a}",
            ["1:1: kind: this key is required; known are Server, Model, Pipeline, Experiment"],
        ),
        (
            "kind: [Model]",
            ["1:7: kind: must be text; known are Server, Model, Pipeline, Experiment"],
        ),
        (
            "kind: ConfigMap\napiVersion: v1",
            [
                "1:7: kind: there is no kind 'ConfigMap'; "
                "known are Server, Model, Pipeline, Experiment",
                "2:13: apiVersion: there is no apiVersion 'v1'; "
                "known are penstock.io/v1, mlops.seldon.io/v1alpha1",
            ],
        ),
        (
            "kind: Model\napiVersion: penstock.io/v2",
            [
                "2:13: apiVersion: there is no apiVersion 'penstock.io/v2'; "
                "did you mean 'penstock.io/v1'?"
            ],
        ),
        ("kind: Model", ["1:1: metadata: this key is required", "1:1: spec: this key is required"]),
        (
            "kind: Model\nmetadata: {name: m}\nspec: {python: models.Router}",
            [
                "3:16: spec.python: 'models.Router' names no Python object; write module and "
                "object, as mypackage.models:Router"
            ],
        ),
        (
            "kind: Model\nmetadata: {name: m}\nspec: {python: 'a:b', memory: 1Q}",
            ["3:31: spec.memory: '1Q' is no amount of memory; write it as 100Mi or 1.5G"],
        ),
        (
            "kind: Model\nmetadata: {name: m}\n"
            "spec: {python: 'a:b', inputs: [{name: x, datatype: FP31}, {name: x}]}",
            [
                "3:52: spec.inputs[0].datatype: 'FP31' is no datatype of the Open Inference "
                "Protocol; did you mean FP32?",
                "3:66: spec.inputs[1].name: the tensor 'x' is declared by spec.inputs[0] already",
            ],
        ),
        (
            "kind: Model\nmetadata: {name: m}\n"
            "spec: {python: 'a:b', minReplicas: 3, maxReplicas: 2}",
            ["3:36: spec.minReplicas: minReplicas 3 is more than maxReplicas 2"],
        ),
        (
            "kind: Experiment\nmetadata: {name: e}\n"
            "spec: {default: irs, candidates: [{name: iris, weight: 0}, {name: iris, weight: 0}], "
            "mirror: {name: x, percent: 101}}",
            [
                "3:17: spec.default: the default 'irs' is not among the candidates; "
                "did you mean 'iris'?",
                "3:34: spec.candidates: the weights of the candidates are all 0",
                "3:67: spec.candidates[1].name: 'iris' is spec.candidates[0] already; "
                "add the weights up",
                "3:113: spec.mirror.percent: must be at most 100, not 101",
            ],
        ),
        (
            "kind: Experiment\nmetadata: {name: e}\nspec: {candidates: []}",
            ["3:20: spec.candidates: an experiment has at least one candidate"],
        ),
    ],
)
def test_sentences(problems: Problems, text: str, sentences: list[str]) -> None:
    assert problems(text) == [f"a.yaml:{sentence}" for sentence in sentences]


def test_the_other_kinds(read: Read) -> None:
    manifests = read(
        """
        apiVersion: mlops.seldon.io/v1alpha1
        kind: Server
        metadata: {name: mlserver-134}
        spec: {serverConfig: mlserver, capabilities: [mlserver-1.3.4]}
        ---
        apiVersion: mlops.seldon.io/v1alpha1
        kind: Experiment
        metadata: {name: split}
        spec:
          default: iris
          candidates: [{name: iris, weight: 50}, {name: iris2, weight: 50}]
        """
    )
    server = manifests.of(Server)["mlserver-134"]
    assert server.spec.capabilities == ("mlserver-1.3.4",)
    experiment = manifests.of(Experiment)["split"]
    assert [candidate.weight for candidate in experiment.spec.candidates] == [50, 50]
    assert (experiment.spec.resource_type, experiment.spec.mirror) == ("model", None)


def test_fields_without_effect_give_warnings_and_sentences_for_the_status(read: Read) -> None:
    manifests = read(
        """
        apiVersion: mlops.seldon.io/v1alpha1
        kind: Model
        metadata: {name: iris, uid: 1}
        spec:
          storageUri: gs://seldon-models/iris
          requirements: [sklearn]
          memory: 100Ki
          logger: {percent: 10}
          preloaded: false
          dedicated: true
        status: {}
        """
    )
    kubernetes = "it is Kubernetes' own and says nothing to Penstock"
    assert [str(warning) for warning in manifests.warnings] == [
        f"a.yaml:3:24: metadata.uid: has no effect: {kubernetes}",
        "a.yaml:11:1: status: has no effect: the status of a resource is found out, not applied",
        "a.yaml:8:3: spec.logger: has no effect: copies of requests are not sent anywhere; what "
        "is kept is said by record on a pipeline",
        "a.yaml:10:3: spec.dedicated: has no effect: models share one process",
    ]
    (entry,) = manifests.entries
    assert entry.without_effect[-1] == ("spec.dedicated has no effect: models share one process.")
    assert len(entry.without_effect) == 4


class TestFiles:
    """Files and folders; these tests read real ones."""

    MODEL = "{{kind: Model, metadata: {{name: {}}}, spec: {{storageUri: ./x}}}}"

    def test_a_folder_is_read_in_the_order_of_names(self, tmp_path: Path) -> None:
        (tmp_path / "b.yaml").write_text(self.MODEL.format("two"))
        (tmp_path / "a.yml").write_text("\ufeff" + self.MODEL.format("one"), encoding="utf-8")
        (tmp_path / "c.json").write_text(
            '{"kind": "Model", "metadata": {"name": "three"}, "spec": {"python": "a:b"}}'
        )
        (tmp_path / "penstock.yaml").write_text("rest: {port: 1}")
        (tmp_path / "notes.txt").write_text("not: [a manifest")
        manifests = read_manifests([tmp_path])
        assert list(manifests.models) == ["one", "two", "three"]
        assert manifests.models["one"].spec.storage_uri == str(tmp_path / "x")
        assert {entry.origin.folder for entry in manifests.entries} == {tmp_path}

    def test_what_cannot_be_read_is_told_together(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        (tmp_path / "latin.yaml").write_bytes(b"kind: \xe9")
        (tmp_path / "wrong.yaml").write_text("kind: Modl")
        paths = [tmp_path / name for name in ("no.yaml", "empty", "latin.yaml", "wrong.yaml")]
        with pytest.raises(ProblemsError) as caught:
            read_manifests(paths)
        assert sorted(
            str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems
        ) == [
            "empty:1:1: the folder holds no manifests (.yaml, .yml, .json)",
            "latin.yaml:1:1: 'latin.yaml' is no UTF-8 text (byte 6)",
            "no.yaml:1:1: there is no such file or folder",
            "wrong.yaml:1:7: kind: there is no kind 'Modl'; did you mean 'Model'?",
        ]


def test_texts_and_their_kinds_are_typed(read: Read) -> None:
    manifests = read(CREDIT)
    assert all(isinstance(model, Model) for model in manifests.models.values())
    assert all(isinstance(pipeline, Pipeline) for pipeline in manifests.pipelines.values())
    text = ManifestText("{kind: Model, metadata: {name: m}, spec: {python: 'a:b'}}")
    assert list(read_manifests([text]).models) == ["m"]
