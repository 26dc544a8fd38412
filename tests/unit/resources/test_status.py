"""Conditions, versions and revisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.core.resources import (
    READY,
    WITHOUT_EFFECT,
    Metadata,
    Model,
    ModelDeclaration,
    Origin,
    Resource,
    Status,
    create,
    update,
)

NEW = Status(revision=1, version=1)
HERE = Origin("a.yaml", Path("/manifests"))


def model(labels: dict[str, str] | None = None, **spec: Any) -> Model:
    return Model(
        metadata=Metadata(name="m", labels=labels or {}),
        spec=ModelDeclaration.model_validate({"python": "a:b"} | spec),
    )


class TestConditions:
    def test_a_status_begins_with_none_and_is_not_ready(self) -> None:
        assert NEW.condition(READY) is None
        assert not NEW.ready

    def test_since_is_when_the_status_of_a_condition_changed(self) -> None:
        first = NEW.with_condition(READY, "False", "Loading", "It is loaded.", now_ms=1000)
        second = first.with_condition(READY, "False", "Slow", "It takes long.", now_ms=2000)
        third = second.with_condition(READY, "True", "Loaded", "It serves.", now_ms=3000)
        since = [
            condition.since.timestamp()
            for status in (first, second, third)
            for condition in status.conditions
        ]
        assert since == [1, 1, 3]
        assert [status.ready for status in (first, second, third)] == [False, False, True]
        assert NEW.conditions == ()

    def test_what_changes_nothing_is_the_same_object(self) -> None:
        status = NEW.with_condition(READY, "True", "Loaded", "It serves.", now_ms=1000)
        again = status.with_condition(READY, "True", "Loaded", "It serves.", now_ms=2000)
        assert again is status
        assert status.without_condition("Other") is status

    def test_the_others_stay_in_their_order(self) -> None:
        status = NEW
        for name in ("A", "B", "C"):
            status = status.with_condition(name, "True", "R", "", now_ms=0)
        status = status.with_condition("B", "False", "R", "", now_ms=0)
        assert [(one.type, one.status) for one in status.conditions] == [
            ("A", "True"),
            ("B", "False"),
            ("C", "True"),
        ]
        assert [one.type for one in status.without_condition("B").conditions] == ["A", "C"]

    def test_json(self) -> None:
        status = NEW.with_condition(READY, "True", "Loaded", "It serves.", now_ms=1_500)
        resource = Resource(model(), HERE, status)
        assert resource.document()["status"] == {
            "revision": 1,
            "version": 1,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Loaded",
                    "message": "It serves.",
                    "since": "1970-01-01T00:00:01.500000Z",
                }
            ],
        }
        assert resource.document()["spec"] == {"python": "a:b"}
        assert (resource.name, resource.kind) == ("m", "Model")


class TestVersions:
    def test_the_first(self) -> None:
        resource = create(model(), HERE, revision=7, now_ms=0)
        assert resource.status == Status(revision=7, version=1)

    def test_a_change_of_the_spec_makes_a_version(self) -> None:
        old = create(model(), HERE, revision=1, now_ms=0)
        new = update(old, model(memory="1Mi"), HERE, revision=5, now_ms=0)
        assert (new.status.version, new.status.revision) == (2, 5)
        assert old.status.version == 1

    def test_a_change_of_labels_makes_none(self) -> None:
        old = create(model(), HERE, revision=1, now_ms=0)
        new = update(old, model({"a": "b"}), HERE, revision=5, now_ms=0)
        assert (new.status.version, new.status.revision) == (1, 5)
        assert new.manifest.metadata.labels == {"a": "b"}

    def test_the_same_again_changes_nothing(self) -> None:
        old = create(model(), HERE, revision=1, now_ms=0)
        elsewhere = Origin("b.yaml", HERE.folder)
        assert update(old, model(), HERE, revision=5, now_ms=0) is old
        assert update(old, model(execution="auto"), elsewhere, revision=5, now_ms=0) is old

    def test_modules_of_another_folder_are_another_version(self) -> None:
        there = Origin("a.yaml", Path("/elsewhere"))
        old = create(model(), HERE, revision=1, now_ms=0)
        assert update(old, model(), there, revision=2, now_ms=0).status.version == 2
        stored = Model(metadata=Metadata(name="m"), spec=ModelDeclaration(storage_uri="/x"))
        kept = create(stored, HERE, revision=1, now_ms=0)
        assert update(kept, stored, there, revision=2, now_ms=0) is kept

    def test_conditions_outlive_a_change_except_about_fields_that_are_gone(self) -> None:
        old = create(
            model(dedicated=True),
            HERE,
            revision=1,
            now_ms=1000,
            without_effect=("spec.dedicated has no effect: x.", "status has no effect: y."),
        )
        condition = old.status.condition(WITHOUT_EFFECT)
        assert condition is not None
        assert (condition.status, condition.reason) == ("True", "AcceptedWithoutEffect")
        assert condition.message == "spec.dedicated has no effect: x. status has no effect: y."
        ready = old.with_status(old.status.with_condition(READY, "True", "R", "", now_ms=0))
        new = update(ready, model(), HERE, revision=2, now_ms=2000)
        assert [one.type for one in new.status.conditions] == [READY]

    def test_the_same_status_makes_no_new_resource(self) -> None:
        resource = create(model(), HERE, revision=1, now_ms=0)
        assert resource.with_status(resource.status) is resource
