"""Experiments at the control plane: what is refused, how they stand, and what is in force."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.builtin import builtin_plugins
from harness.control_plane import BAD, Plane, control_plane, model, pipeline
from penstock.core.errors import ConflictError, NotFoundError
from penstock.core.experiments.routers import make_router
from penstock.core.problems import ProblemsError


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path) as plane:
        make = partial(make_router, factories=builtin_plugins().routers, travelling=())
        plane.gateway.experiments.use(make, lambda *seen: None)
        yield plane


def experiment(name: str, kind: str = "model", spec: Any = None, **weights: int) -> dict[str, Any]:
    candidates = [{"name": each, "weight": weight} for each, weight in weights.items()]
    return {
        "apiVersion": "penstock.io/v1",
        "kind": "Experiment",
        "metadata": {"name": name},
        "spec": {"candidates": candidates, "resourceType": kind, **(spec or {})},
    }


async def who(plane: Plane, name: str, times: int = 60) -> set[str]:
    return {(await plane.call(name)).model_name for _ in range(times)}


async def refused(plane: Plane, *documents: dict[str, Any]) -> list[str]:
    await plane.settle()
    before = plane.control.list(None)
    with pytest.raises(ProblemsError) as told:
        await plane.apply(*documents)
    assert plane.control.list(None) == before
    return [f"{problem.path}: {problem.message}" for problem in told.value.problems]


async def test_it_serves_when_it_is_applied_with_its_candidates(plane: Plane) -> None:
    changes = await plane.apply(experiment("e", a=50, b=50), model("a"), model("b"))
    assert [change.warnings for change in changes] == [(), (), ()]
    assert await plane.settle() == []
    assert plane.condition("Experiment", "e") == ("True", "Serving", "version 1 serves")
    assert await who(plane, "e.experiment") == {"a", "b"}


async def test_another_spec_is_another_version(plane: Plane) -> None:
    await plane.apply(experiment("e", a=50, b=50), model("a"), model("b"))
    [change] = await plane.apply(experiment("e", b=100))
    assert (change.action, change.version) == ("changed", 2)
    assert await plane.settle() == []
    assert plane.condition("Experiment", "e") == ("True", "Serving", "version 2 serves")
    assert await who(plane, "e.experiment") == {"b"}


async def test_one_that_was_missing_is_told_to_those_that_lead_to_it(plane: Plane) -> None:
    await plane.apply(model("a"), experiment("outer", "experiment", inner=100))
    await plane.settle()
    before = plane.condition("Experiment", "outer")
    assert before is not None
    assert before[:2] == ("False", "MissingCandidate")
    await plane.apply(experiment("inner", a=100))
    # Nothing else has changed, and nobody asks how everything stands.
    assert plane.condition("Experiment", "outer") == ("True", "Serving", "version 1 serves")


async def test_weights_that_do_not_add_up_are_proportions_and_said_to_be(plane: Plane) -> None:
    [change, *_] = await plane.apply(experiment("e", a=1, b=3), model("a"), model("b"))
    [warning] = change.warnings
    assert "the weights add up to 4, not to 100" in warning
    assert "'a' 25.0%, 'b' 75.0%" in warning
    assert await plane.settle() == []
    assert await who(plane, "e.experiment") == {"a", "b"}


async def test_no_weight_at_all_is_refused(plane: Plane) -> None:
    [said] = await refused(plane, experiment("e", a=0, b=0), model("a"), model("b"))
    assert said.startswith("spec.candidates: the weights of the candidates are all 0")


async def test_what_does_not_exist_is_named_with_what_is_near(plane: Plane) -> None:
    [change, *_] = await plane.apply(experiment("e", prize=50, a=50), model("price"), model("a"))
    assert any("did you mean 'price'" in each for each in change.warnings)
    assert await plane.settle() != []
    said = "there is no model 'prize'; did you mean 'price'?"
    assert plane.condition("Experiment", "e", "Progressing") == ("False", "MissingCandidate", said)
    # Another candidate answers meanwhile.
    assert plane.reason("Experiment", "e") == "Serving"
    assert await who(plane, "e.experiment") == {"a"}
    report = plane.control.keeper.report("e", None, 0.95)
    assert [(arm["share"], arm["silent"] is None) for arm in report["arms"]] == [
        (50.0, False),
        (50.0, True),
    ]

    await plane.apply(model("prize"))
    assert await plane.settle() == []
    assert await who(plane, "e.experiment") == {"prize", "a"}


async def test_a_candidate_that_cannot_be_loaded_shows(plane: Plane) -> None:
    await plane.apply(experiment("e", a=50, bad=50), model("a"), model("bad", python=BAD))
    assert await plane.settle() != []
    condition = plane.condition("Experiment", "e", "Progressing")
    assert condition is not None
    assert condition[:2] == ("False", "CandidateNotReady")
    assert "it is a bad one" in condition[2]
    assert await who(plane, "e.experiment") == {"a"}


async def test_candidates_may_be_pipelines_and_experiments(plane: Plane) -> None:
    await plane.apply(
        experiment("outer", "experiment", inner=50, other=50),
        experiment("inner", "pipeline", p=100),
        experiment("other", a=100),
        pipeline("p", "b"),
        model("a"),
        model("b"),
    )
    assert await plane.settle() == []
    assert await who(plane, "outer.experiment") == {"p", "a"}


async def test_without_any_candidate_it_is_not_ready(plane: Plane) -> None:
    await plane.apply(experiment("e", prize=100), model("price"))
    assert await plane.settle() != []
    said = "there is no model 'prize'; did you mean 'price'?"
    assert plane.condition("Experiment", "e") == ("False", "MissingCandidate", said)
    assert (await plane.call("e.experiment")).code == "not-ready"


async def test_those_that_lead_to_it_stand_as_it_does(plane: Plane) -> None:
    inner, outer = experiment("inner", a=100), experiment("outer", "experiment", inner=100)
    await plane.apply(outer, inner, model("a", python=BAD))
    assert await plane.settle() != []
    for name in ("inner", "outer"):
        assert plane.reason("Experiment", name) == "CandidateNotReady"
    await plane.apply(model("a"))
    assert await plane.settle() == []
    assert plane.reason("Experiment", "outer") == "Serving"


async def test_circles_are_refused_and_named(plane: Plane) -> None:
    one, two = experiment("one", "experiment", two=100), experiment("two", "experiment", one=100)
    [said] = await refused(plane, one, two)
    assert "the experiments lead to each other: one -> two -> one" in said
    [said] = await refused(plane, experiment("me", "experiment", me=100))
    assert "me -> me" in said


async def test_circles_through_what_is_there_are_refused_as_well(plane: Plane) -> None:
    one, two = experiment("one", "experiment", two=100), experiment("two", a=100)
    await plane.apply(one, two, model("a"))
    [said] = await refused(plane, experiment("two", "experiment", one=100))
    assert "the experiments lead to each other" in said
    assert await plane.settle() == []
    assert await who(plane, "one.experiment") == {"a"}


async def test_one_candidate_is_the_default_of_one_experiment(plane: Plane) -> None:
    default = {"default": "a"}
    await plane.apply(experiment("e", spec=default, a=50, b=50), model("a"), model("b"))
    assert await plane.settle() == []
    assert await who(plane, "a") == {"a", "b"}
    other = experiment("other", spec=default, a=50, b=50)
    [said] = await refused(plane, other)
    assert said.startswith("spec.default: requests to model 'a' are split by experiment 'e'")
    [said] = await refused(plane, other, experiment("e", spec=default, a=100))
    assert "split by experiment" in said
    # Who gives it up makes room for another at once.
    await plane.apply(other, experiment("e", a=100))
    assert await plane.settle() == []
    assert await who(plane, "a") == {"a", "b"}


async def test_what_it_uses_is_not_deleted_unless_it_is_forced(plane: Plane) -> None:
    spec = {"mirror": {"name": "c", "percent": 5}}
    await plane.apply(
        experiment("e", spec=spec, a=50, b=50),
        experiment("outer", "experiment", e=100),
        *(model(name) for name in "abc"),
    )
    for kind, name, user in (
        ("Model", "a", "e"),
        ("Model", "c", "e"),
        ("Experiment", "e", "outer"),
    ):
        with pytest.raises(ConflictError, match=f"used by experiment '{user}'"):
            await plane.control.delete(kind, name, force=False)
    await plane.control.delete("Model", "a", force=True)
    assert await plane.settle() != []
    said = "there is no model 'a'"
    assert plane.condition("Experiment", "e", "Progressing") == ("False", "MissingCandidate", said)
    assert await who(plane, "e.experiment") == {"b"}


async def test_deleted_it_splits_nothing_any_more(plane: Plane) -> None:
    await plane.apply(experiment("e", spec={"default": "a"}, a=50, b=50), model("a"), model("b"))
    await plane.settle()
    await plane.control.delete("Experiment", "e", force=False)
    assert await who(plane, "a") == {"a"}
    with pytest.raises(NotFoundError):
        plane.gateway.resolve("e.experiment")


async def test_a_router_that_cannot_be_shows(plane: Plane) -> None:
    await plane.apply(experiment("e", spec={"router": "weigted"}, a=100), model("a"))
    assert await plane.settle() != []
    condition = plane.condition("Experiment", "e")
    assert condition is not None
    assert condition[:2] == ("False", "NoRouter")
    assert "did you mean 'weighted'" in condition[2]
