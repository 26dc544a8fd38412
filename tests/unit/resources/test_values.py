"""The typed values of manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from penstock.core.joinspec import parse_join
from penstock.core.resources import (
    Batch,
    Explainer,
    Metadata,
    Model,
    ModelDeclaration,
    Pipeline,
    PipelineDeclaration,
    Step,
)
from penstock.core.signature import Signature, TensorSpec

PIPELINE = Pipeline(
    metadata=Metadata(name="p", labels={"a": "b"}),
    spec=PipelineDeclaration(steps=(Step(name="a"),)),
)


def declared(**fields: Any) -> ModelDeclaration:
    return ModelDeclaration.model_validate({"python": "a:b"} | fields)


def test_values_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PIPELINE.spec.steps[0].name = "b"


def test_a_default_that_is_written_out_makes_no_difference() -> None:
    assert Step(name="a") == Step(name="a", retries=0, inputs=(), join_window_ms=None)
    assert Step(name="a") != Step(name="a", retries=1)


def test_keys_of_manifests_are_camel_case_only() -> None:
    data = {"name": "a", "join_window_ms": 5}
    with pytest.raises(ValidationError, match="join_window_ms"):
        Step.model_validate(data, by_alias=True, by_name=False)
    data = {"name": "a", "joinWindowMs": 5}
    assert Step.model_validate(data, by_alias=True, by_name=False).join_window_ms == 5


def test_a_manifest_as_json_leaves_defaults_out() -> None:
    assert PIPELINE.document() == {
        "apiVersion": "penstock.io/v1",
        "kind": "Pipeline",
        "metadata": {"name": "p", "labels": {"a": "b"}},
        "spec": {"steps": [{"name": "a"}]},
    }
    step = Step(
        name="a", inputs_join_type=parse_join("quorum(2, withinMs=50)"), batch=Batch(size=4)
    )
    pipeline = PIPELINE.model_copy(update={"spec": PipelineDeclaration(steps=(step,))})
    assert pipeline.document()["spec"] == {
        "steps": [{"name": "a", "inputsJoinType": "quorum(2, withinMs=50)", "batch": {"size": 4}}]
    }


def test_memory_is_written_as_people_do() -> None:
    model = Model(metadata=Metadata(name="m"), spec=declared(memory="100Mi"))
    assert model.document()["spec"] == {"python": "a:b", "memory": "100Mi"}
    assert model.name == "m"


def test_a_window_of_zero_is_as_if_not_written() -> None:
    assert Step(name="a", join_window_ms=0).join_window_ms is None


@pytest.mark.parametrize("window", [-1, True, "5", 1.5, 10**15])
def test_what_is_no_window(window: Any) -> None:
    with pytest.raises(ValidationError):
        Step(name="a", join_window_ms=window)


@pytest.mark.parametrize("name", ["", "-a", "a-", "_a", "a.b", "a b", "ä", "a\n", "a" * 64, "a/b"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValidationError):
        Metadata(name=name)


@pytest.mark.parametrize("name", ["a", "A", "0", "a-b_c", "a" * 63, "1-1"])
def test_names(name: str) -> None:
    assert Metadata(name=name).name == name


class TestParameters:
    def test_seldon_writes_them_as_a_list(self) -> None:
        written = [{"name": "a", "value": "1"}, {"name": "b", "value": "x"}]
        assert declared(parameters=written).parameters == {"a": "1", "b": "x"}

    def test_a_mapping_holds_any_json(self) -> None:
        written = {"a": 1, "b": [True, None, {"c": 1.5}]}
        assert declared(parameters=written).parameters == written

    @pytest.mark.parametrize(
        ("written", "sentence"),
        [
            ([{"name": "a"}], "has the keys name and value, no others"),
            ([{"name": "a", "value": 1, "x": 2}], "has the keys name and value, no others"),
            (["a"], "has the keys name and value, no others"),
            ([{"name": 1, "value": 1}], "the name of a parameter must be text"),
            (
                [{"name": "a", "value": 1}, {"name": "a", "value": 1}],
                "the parameter 'a' stands twice",
            ),
        ],
    )
    def test_what_is_no_list_of_parameters(self, written: Any, sentence: str) -> None:
        with pytest.raises(ValidationError, match=sentence):
            declared(parameters=written)


class TestSignature:
    def test_nothing_declared(self) -> None:
        assert declared().signature is None

    def test_one_side_declared(self) -> None:
        tensors = [{"name": "x", "datatype": "FP32", "shape": ["n", -1, None, 4]}, {"name": "y"}]
        assert declared(inputs=tensors).signature == Signature(
            (TensorSpec("x", "FP32", ("n", None, None, 4)), TensorSpec("y")), None
        )

    def test_no_outputs_are_not_unknown_outputs(self) -> None:
        assert declared(outputs=[]).signature == Signature(None, ())

    def test_a_scalar_has_a_shape(self) -> None:
        signature = declared(outputs=[{"name": "x", "shape": [], "optional": True}]).signature
        assert signature == Signature(None, (TensorSpec("x", None, (), optional=True),))


class TestModel:
    def test_something_must_say_what_it_is(self) -> None:
        with pytest.raises(ValidationError, match="nothing says what the model is"):
            ModelDeclaration()

    def test_artifacts_and_python_together(self) -> None:
        assert declared(storageUri="/x").storage_uri == "/x"

    @pytest.mark.parametrize("python", ["a:b", "a.b.c:D.e", "_a:_b", "é:b"])
    def test_python_objects(self, python: str) -> None:
        assert declared(python=python).python == python

    @pytest.mark.parametrize(
        "python", ["a", "a.b", "a:", ":b", "a:b:c", "a/b.py:c", "1a:b", "a-b:c"]
    )
    def test_what_is_no_python_object(self, python: str) -> None:
        with pytest.raises(ValidationError, match="names no Python object"):
            declared(python=python)

    def test_a_path_becomes_absolute_once(self) -> None:
        model = Model(metadata=Metadata(name="m"), spec=ModelDeclaration(storage_uri="./x/../y"))
        assert model.has_relative_storage
        absolute = model.in_folder(Path("/manifests"))
        assert absolute.spec.storage_uri == "/manifests/y"
        assert absolute.in_folder(Path("/elsewhere")) is absolute

    def test_a_model_without_storage_has_no_path(self) -> None:
        model = Model(metadata=Metadata(name="m"), spec=declared())
        assert model.in_folder(Path("/manifests")) is model


def test_an_explainer_explains_one() -> None:
    assert Explainer(type="anchor_tabular", model_ref="iris").pipeline_ref is None
    with pytest.raises(ValidationError, match="write either modelRef or pipelineRef"):
        Explainer(type="anchor_tabular")
    with pytest.raises(ValidationError, match="write either modelRef or pipelineRef"):
        Explainer(type="anchor_tabular", model_ref="a", pipeline_ref="b")


ZEROS = "0" * 64


@pytest.mark.parametrize(
    ("fields", "address", "digest"),
    [
        ({"storageUri": "http://x/f"}, "http://x/f", None),
        ({"storageUri": f"http://x/f#sha256={'AB' * 32}"}, "http://x/f", f"sha256:{'ab' * 32}"),
        ({"storageUri": "a#b", "artifactDigest": f"sha256:{ZEROS}"}, "a#b", f"sha256:{ZEROS}"),
        (
            {"storageUri": f"a#sha256={ZEROS}", "artifactDigest": f"sha256:{ZEROS}"},
            "a",
            f"sha256:{ZEROS}",
        ),
        ({}, None, None),
    ],
)
def test_artifacts_may_have_a_digest(
    fields: dict[str, str], address: str | None, digest: str | None
) -> None:
    spec = declared(**fields)
    assert (spec.artifact_address, spec.declared_digest) == (address, digest)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"storageUri": "x", "artifactDigest": ZEROS}, "is no digest; write sha256: and 64"),
        ({"storageUri": "x#sha256=abc"}, "'sha256:abc' is no digest"),
        ({"artifactDigest": f"sha256:{ZEROS}"}, "of what storageUri names, and there is none"),
        (
            {"storageUri": f"x#sha256={'1' * 64}", "artifactDigest": f"sha256:{ZEROS}"},
            f"stands behind storageUri, sha256:{'1' * 64}; write it once",
        ),
    ],
)
def test_a_digest_that_says_nothing_is_refused(fields: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        declared(**fields)
