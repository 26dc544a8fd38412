"""The table of fields: it is complete, and every row does what it says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from penstock.core.manifests import FIELDS, SKIPPED_KINDS, ManifestSet, Outcome
from penstock.core.manifests.field_check import check_fields
from penstock.core.manifests.outcomes import FieldRule
from penstock.core.manifests.reference_page import reference_page, typed_patterns
from penstock.core.problems import format_path
from penstock.core.resources import KINDS

Read = Callable[..., ManifestSet]
Problems = Callable[..., list[str]]

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "manifests.md"

TENSOR = {"name": "x", "datatype": "FP32", "shape": ["n", -1, 4], "optional": True}
META = {
    "name": "it",
    "namespace": "ns",
    "labels": {"a": "b"},
    "annotations": {"c": "d"},
}
BY_KUBERNETES = {
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "finalizers": ["x"],
    "generation": 3,
    "managedFields": [{"manager": "kubectl"}],
    "ownerReferences": [{"kind": "x"}],
    "resourceVersion": "1",
    "selfLink": "/x",
    "uid": "u",
}
SCALING = {"replicas": 2, "minReplicas": 2, "maxReplicas": 3}
FULL: dict[str, dict[str, Any]] = {
    "Model": {
        "storageUri": "gs://bucket/iris",
        "python": "models:Iris",
        "artifactVersion": 2,
        "artifactDigest": f"sha256:{'0' * 64}",
        "requirements": ["sklearn"],
        "parameters": [{"name": "threshold", "value": "0.4"}],
        "memory": "100Ki",
        **SCALING,
        "execution": "thread",
        "concurrency": 2,
        "inputs": [TENSOR],
        "outputs": [TENSOR],
        "server": "mlserver",
        "explainer": {
            "type": "anchor_tabular",
            "modelRef": "iris",
            "pipelineRef": "p",
            "batchSize": 8,
            "callsInFlight": 2,
            "maxEvaluations": 1000,
        },
        "modelType": "sklearn",
        "schemaUri": "gs://bucket/schema",
        "secretName": "secret",
        "logger": {"uri": "http://logger", "percent": 50},
        "preloaded": True,
        "dedicated": True,
        "dataflow": {"cleanTopicsOnDelete": True},
        "llm": {"modelRef": "iris"},
    },
    "Pipeline": {
        "steps": [
            {
                "name": "a",
                "model": "m",
                "inputs": ["it.inputs.x"],
                "tensorMap": {"it.inputs.x": "y"},
                "inputsJoinType": "outer",
                "triggersJoinType": "any",
                "joinWindowMs": 10,
                "batch": {"size": 4, "windowMs": 9, "rolling": True},
                "retries": 1,
                "retryBackoffMs": 10,
                "timeoutMs": 100,
                "onError": "absent",
            },
            {"name": "b", "pipeline": "q", "triggers": ["a"]},
        ],
        "input": {
            "externalInputs": ["o.outputs.x"],
            "externalTriggers": ["o.step.s"],
            "joinType": "outer",
            "triggersJoinType": "any",
            "joinWindowMs": 10,
            "tensorMap": {"o.outputs.x": "y"},
            "key": "x-user",
            "match": "key",
            "deadlineMs": 100,
        },
        "output": {
            "steps": ["a"],
            "stepsJoin": "any",
            "joinWindowMs": 5,
            "tensorMap": {"a.outputs.x": "y"},
            "order": "key",
            "maxHeld": 5,
        },
        "allowCycles": True,
        "maxStepRevisits": 5,
        "record": "all",
        "layout": "fused",
        "delivery": "exactly-once",
        "dataflow": {"partitions": 3, "shareGroup": False, "cleanTopicsOnDelete": True},
    },
    "Server": {
        "serverConfig": "mlserver",
        "capabilities": ["a"],
        "extraCapabilities": ["b"],
        "options": {"port": 1},
        "memory": "1Gi",
        "overcommitPercent": 50,
        **SCALING,
        "podSpec": {"containers": [{"name": "mlserver"}]},
        "imageOverrides": {"a": "b"},
        "statefulSetPersistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain"},
        "disableAutoUpdate": True,
    },
    "Experiment": {
        "candidates": [{"name": "iris", "weight": 50}, {"name": "iris2", "weight": 50}],
        "default": "iris",
        "mirror": {"name": "iris3", "percent": 100},
        "resourceType": "pipeline",
        "router": "sticky-hash(x-user)",
        "sticky": "cookie",
        "metrics": [
            {
                "name": "score",
                "measure": "tensor-mean",
                "parameters": {"tensor": "y"},
                "better": "higher",
            }
        ],
        "guard": {
            "baseline": "iris",
            "maxErrorRate": 0.05,
            "maxErrorRateIncrease": 0.01,
            "maxLatencyMs": {"p50": 50, "p95": 200, "p99": 500},
            "metric": {"name": "score", "min": 0, "max": 1},
            "minRequests": 200,
            "windowMs": 30_000,
            "confidence": 0.9,
            "action": "report",
        },
        "rollout": {"steps": [{"weight": 5, "holdMs": 60_000, "minRequests": 200}]},
        "bandit": {"name": "thompson", "parameters": {"minShare": 0.1}},
    },
}
"""Of each kind a manifest with every field, each asking for something."""

ROWS = [(kind, rule) for kind, rules in FIELDS.items() for rule in rules]
ROW_NAMES = [f"{kind}-{rule.path}" for kind, rule in ROWS]


def full(kind: str) -> dict[str, Any]:
    return copy.deepcopy(
        {
            "apiVersion": "mlops.seldon.io/v1alpha1",
            "kind": kind,
            "metadata": META | BY_KUBERNETES,
            "spec": FULL[kind],
            "status": {"ready": True},
        }
    )


def values_at(data: Any, pattern: tuple[str, ...]) -> list[Any]:
    values = [data]
    for key in pattern:
        values = [
            inner
            for value in values
            for inner in (value if key == "*" else [value[key]] if key in value else [])
        ]
    return values


def without(data: Any, *outcomes: Outcome) -> None:
    """Take the fields with these outcomes out of a full manifest."""
    for rule in FIELDS[data["kind"]]:
        if rule.outcome in outcomes:
            for parent in values_at(data, rule.pattern[:-1]):
                parent.pop(rule.pattern[-1], None)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_typed_values_has_one_row_and_every_row_a_field(kind: str) -> None:
    rows = [rule.pattern for rule in FIELDS[kind]]
    assert len(rows) == len(set(rows))
    typed = {rule.pattern for rule in FIELDS[kind] if not rule.foreign}
    assert typed == set(typed_patterns(KINDS[kind]))


@pytest.mark.parametrize(("kind", "rule"), ROWS, ids=ROW_NAMES)
def test_the_full_manifests_have_every_field(kind: str, rule: FieldRule) -> None:
    assert values_at(full(kind), rule.pattern)


@pytest.mark.parametrize(("kind", "rule"), ROWS, ids=ROW_NAMES)
def test_each_row_does_what_it_says(
    kind: str, rule: FieldRule, read: Read, problems: Problems
) -> None:
    checked = check_fields(kind, full(kind))
    refused = {format_path(finding.path): finding for finding in checked.refused}
    warned = {format_path(finding.path): finding for finding in checked.warnings}
    paths = [path for path in refused | warned if _fits(path, rule.path)]
    if not rule.reason:
        assert paths == []
    elif rule.outcome is Outcome.IDLE:
        assert paths
        for path in paths:
            assert warned[path].message == f"has no effect: {rule.reason}"
            assert f"{path} has no effect: {rule.reason}." in checked.without_effect
    else:
        assert paths
        for path in paths:
            assert refused[path].message == rule.reason
            assert refused[path].hint is None


def _fits(path: str, pattern: str) -> bool:
    return path.replace("[0]", "[]").replace("[1]", "[]") == pattern


@pytest.mark.parametrize("kind", KINDS)
def test_without_what_is_refused_the_full_manifest_is_read_with_its_warnings(
    kind: str, read: Read
) -> None:
    data = full(kind)
    without(data, Outcome.REFUSED)
    data["spec"].get("input", {}).pop("tensorMap", None)
    if "explainer" in data["spec"]:  # with python, and with two that it explains, it is none
        del data["spec"]["explainer"]["pipelineRef"], data["spec"]["python"]
        del data["spec"]["execution"]
    manifests = read(orjson.dumps(data).decode())
    (entry,) = manifests.entries
    assert [warning.message for warning in manifests.warnings]
    assert len(entry.without_effect) == len(manifests.warnings)
    # Reading what is written again gives the same: nothing that is honoured gets lost.
    (again,) = read(orjson.dumps(entry.manifest.document()).decode()).entries
    assert again.manifest == entry.manifest


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_is_refused_by_the_reader_too(kind: str, problems: Problems) -> None:
    refused = check_fields(kind, full(kind)).refused
    if refused:
        said = problems(orjson.dumps(full(kind), option=orjson.OPT_INDENT_2).decode())
        for finding in refused:
            assert any(f" {format_path(finding.path)}: {finding.message}" in one for one in said)


@pytest.mark.parametrize(
    ("kind", "rule"), [(kind, rule) for kind, rule in ROWS if rule.harmless], ids=str
)
def test_harmless_values_have_no_consequence(kind: str, rule: FieldRule) -> None:
    for value in (*rule.harmless, None):
        data = full(kind)
        for parent in values_at(data, rule.pattern[:-1]):
            parent[rule.pattern[-1]] = value
        checked = check_fields(kind, data)
        said = [*checked.refused, *checked.warnings]
        assert not any(_fits(format_path(finding.path), rule.path) for finding in said)


def test_false_is_not_zero() -> None:
    rule = next(rule for rule in FIELDS["Model"] if rule.path == "spec.preloaded")
    assert not rule.harms(False)
    assert rule.harms(0)


@pytest.mark.parametrize("kind", SKIPPED_KINDS)
def test_kinds_about_the_installation_are_skipped_with_a_warning(kind: str, read: Read) -> None:
    text = f"apiVersion: mlops.seldon.io/v1alpha1\nkind: {kind}\nspec: {{config: {{}}}}"
    manifests = read(text)
    assert manifests.entries == ()
    assert [str(warning) for warning in manifests.warnings] == [
        f"a.yaml:2:7: kind: {kind} is about an installation of Seldon Core 2, and is skipped"
    ]


def test_the_page_of_the_docs_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), (
        "run: python -m penstock.core.manifests.reference_page docs/reference/manifests.md"
    )
