"""What pydantic finds, in sentences."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from penstock.core.positions import problems_of_validation, read_documents


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(Part):
    kind: Literal["step"] = "step"
    name: str = Field(min_length=2, max_length=8)
    retries: int = Field(default=0, ge=0, le=5)
    share: float = Field(default=0.5, gt=0, lt=1)

    @field_validator("name")
    @classmethod
    def _not_taken(cls, value: str) -> str:
        if value == "taken":
            raise ValueError("the name 'taken' is taken")
        return value


class Loop(Part):
    kind: Literal["loop"]
    rounds: int


class Manifest(Part):
    steps: tuple[Step, ...] = ()
    either: Annotated[Step | Loop, Field(discriminator="kind")] | None = None
    join: str | Step | list[Step] = "inner"
    by_name: dict[str, Step] = Field(default_factory=dict, alias="byName")
    on: bool = False
    mode: Literal["fast", "slow"] = "fast"
    optional: Step | None = None


def problems_of(text: str) -> list[str]:
    [document] = read_documents(text, "f.yaml")
    with pytest.raises(ValidationError) as refused:
        Manifest.model_validate(document.data)
    return [str(p) for p in problems_of_validation(refused.value, document, Manifest)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stesp: []", "1:1: stesp: unknown key 'stesp'; did you mean 'steps'?"),
        (
            "zzz: 1",
            "1:1: zzz: unknown key 'zzz'; "
            "known here: byName, either, join, mode, on, optional, steps",
        ),
        (
            "steps:\n- {name: ab, retires: 1}",
            "2:14: steps[0].retires: unknown key 'retires'; did you mean 'retries'?",
        ),
        (
            "byName: {a.b: {name: ab, shar: 1}}",
            "1:26: byName[\"a.b\"].shar: unknown key 'shar'; did you mean 'share'?",
        ),
        (
            "optional: {name: ab, nmae: x}",
            "1:22: optional.nmae: unknown key 'nmae'; did you mean 'name'?",
        ),
        (
            "either: {kind: loop, rounds: 1, round: 2}",
            "1:33: either.round: unknown key 'round'; did you mean 'rounds'?",
        ),
        (
            "join: {name: ab, retrys: 2}",
            "1:18: join.retrys: unknown key 'retrys'; did you mean 'retries'?",
        ),
        ("steps:\n- {retries: 1}", "2:3: steps[0].name: this key is required"),
        ("either: {kind: loop}", "1:9: either.rounds: this key is required"),
        ("either: {rounds: 1}", "1:9: either: the key 'kind' is required"),
        (
            "either: {kind: lop}",
            "1:9: either: kind must be one of 'step', 'loop', not 'lop'; did you mean 'loop'?",
        ),
        ("steps: 5", "1:8: steps: must be a list, not 5"),
        ("steps: [5]", "1:9: steps[0]: must be a mapping of keys to values, not 5"),
        ("steps: {a: 1}", "1:8: steps: must be a list, not a mapping"),
        ("byName: [1]", "1:9: byName: must be a mapping of keys to values, not a list"),
        ("optional: x", "1:11: optional: must be a mapping of keys to values, not 'x'"),
        ("on: maybe", "1:5: on: must be true or false, not 'maybe'"),
        (
            "mode: fats",
            "1:7: mode: must be one of 'fast' or 'slow', not 'fats'; did you mean 'fast'?",
        ),
        ("mode: 1", "1:7: mode: must be one of 'fast' or 'slow', not 1"),
        (
            "steps: [{name: 12}]",
            "1:16: steps[0].name: must be text, not 12; put it into quotes",
        ),
        (
            "steps: [{name: true}]",
            "1:16: steps[0].name: must be text, not true; put it into quotes",
        ),
        ("steps: [{name: }]", "1:16: steps[0].name: must be text, not nothing"),
        ("steps: [{name: a}]", "1:16: steps[0].name: must be at least 2 characters long, not 'a'"),
        ("steps: [{name: taken}]", "1:16: steps[0].name: the name 'taken' is taken"),
        (
            "optional: {name: ab, retries: 1.5}",
            "1:31: optional.retries: must be a whole number, not 1.5",
        ),
        (
            "optional: {name: ab, retries: x}",
            "1:31: optional.retries: must be a whole number, not 'x'",
        ),
        ("optional: {name: ab, retries: 9}", "1:31: optional.retries: must be at most 5, not 9"),
        ("optional: {name: ab, retries: -1}", "1:31: optional.retries: must be at least 0, not -1"),
        ("optional: {name: ab, share: 0}", "1:29: optional.share: must be more than 0, not 0"),
        ("optional: {name: ab, share: 1}", "1:29: optional.share: must be less than 1, not 1"),
        ("optional: {name: ab, share: []}", "1:29: optional.share: must be a number, not a list"),
        ("join: 5", "1:7: join: must be text or a mapping of keys to values or a list, not 5"),
    ],
)
def test_sentences(text: str, problem: str) -> None:
    assert problems_of(text) == [f"f.yaml:{problem}"]


def test_long_values_are_shortened() -> None:
    [problem] = problems_of(f"on: {'x' * 1000}")
    assert len(problem) < 150


def test_all_problems_come_in_the_order_of_the_text() -> None:
    assert [
        problem.split(":")[1] for problem in problems_of("on: x\nmode: y\nstesp: 1\nsteps: 3\n")
    ] == ["1", "2", "3", "4"]


def test_a_model_may_stand_below_the_root() -> None:
    [document] = read_documents("spec:\n  step: {nmae: x}\n", "f.yaml")
    with pytest.raises(ValidationError) as refused:
        Step.model_validate({"nmae": "x"})
    problems = problems_of_validation(refused.value, document, Step, at=("spec", "step"))
    assert [str(problem) for problem in problems] == [
        "f.yaml:2:9: spec.step.name: this key is required",
        "f.yaml:2:10: spec.step.nmae: unknown key 'nmae'; did you mean 'name'?",
    ]
