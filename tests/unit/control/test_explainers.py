"""Explainers: loaded after what they explain, not ready without it, never round in a circle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.control_plane import BAD, Plane, model, pipeline
from harness.events import PATIENCE_S
from harness.explainers import Echo, explainer, explaining
from penstock.core.contracts.explainer import Ask, Explained
from penstock.core.errors import ConflictError, InvalidRequestError
from penstock.core.inference import InferenceRequest
from penstock.core.pipeline_gateway.questions import Questions
from penstock.core.problems import ProblemsError
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor

WHY = explainer("why")
PIPED = pipeline("p", "m")
WHY_P = explainer("why", pipelineRef="p")


class Picky(Echo):
    """Explains only models whose version it likes, by the size of their signature."""

    def load(self, explained: Explained, artifacts: Path | None) -> None:
        if explained.signature is None:
            raise InvalidRequestError("nothing is known of it")


class Asking(Echo):
    """Asks again and again."""

    def __init__(self) -> None:
        super().__init__()
        ASKING.append(self)
        self.asked = asyncio.Event()

    async def explain(self, request: InferenceRequest, ask: Ask) -> Tensors:
        while True:
            await ask(request.tensors)
            self.asked.set()
            await asyncio.sleep(0)


ASKING: list[Asking] = []


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    kinds = {"echo": Echo, "picky": Picky, "asking": Asking}
    async with explaining(tmp_path, kinds) as plane:
        yield plane


def row() -> InferenceRequest:
    return InferenceRequest(None, (Tensor.from_numpy("x", np.ones((1, 2))),))


def loads(plane: Plane) -> list[str]:
    return [spec.name for spec in plane.server.loads]


@pytest.mark.parametrize("order", list(permutations((model("m"), PIPED, WHY_P))))
async def test_it_is_loaded_after_what_it_explains(
    plane: Plane, order: tuple[dict[str, Any], ...]
) -> None:
    for text in order:
        await plane.apply(text)
    assert await plane.settle() == []
    assert loads(plane) == ["m", "why"]
    answer = await plane.call("why", row())
    assert (answer.model_name, [each.name for each in answer.tensors]) == ("why", ["x"])


async def test_it_waits_while_what_it_explains_is_loaded(plane: Plane) -> None:
    gate = plane.server.held["m"] = asyncio.Event()
    await plane.apply(WHY, model("m"))
    await plane.loading(1)
    assert plane.condition("Model", "why") == (
        "False",
        "WaitingForModels",
        "model 'm', which it explains, is not ready: version 1 is being loaded",
    )
    assert (await plane.call("why", row())).message == (
        "model 'why' is not ready: model 'm', which it explains, is not ready: version 1 is being "
        "loaded"
    )
    gate.set()
    assert await plane.settle() == []
    assert loads(plane) == ["m", "why"]


@pytest.mark.parametrize(
    ("text", "reason", "said"),
    [
        (WHY, "MissingModel", "there is no model 'm', which it explains; did you mean 'mm'?"),
        (WHY_P, "MissingPipeline", "there is no pipeline 'p', which it explains"),
    ],
)
async def test_what_is_missing_is_said_with_the_nearest_name(
    plane: Plane, text: dict[str, Any], reason: str, said: str
) -> None:
    await plane.apply(model("mm"), text)
    assert await plane.settle() == [f"model 'why' is not ready: {said}"]
    assert plane.reason("Model", "why") == reason
    assert plane.control.explain("why")["why"] == said
    assert (await plane.call("why", row())).code == "not-ready"


@pytest.mark.parametrize(
    ("kind", "name", "explained", "text"),
    [("Model", "m", model("m"), WHY), ("Pipeline", "p", PIPED, WHY_P)],
)
async def test_its_model_goes_away_and_comes_back(
    plane: Plane, kind: str, name: str, explained: dict[str, Any], text: dict[str, Any]
) -> None:
    await plane.apply(model("m"), PIPED, text)
    assert await plane.settle() == []
    with pytest.raises(ConflictError, match=f"'{name}' is used by .*model 'why'"):
        await plane.control.delete(kind, name, force=False)
    change = await plane.control.delete(kind, name, force=True)
    assert "model 'why'" in change.warnings[0]
    await plane.settle()
    said = f"there is no {kind.lower()} '{name}', which it explains"
    assert plane.condition("Model", "why", "Ready") is not None
    error = await plane.call("why", row())
    assert (error.code, error.message.split("; ")[0]) == (
        "not-ready",
        f"model 'why' is not ready: {said}",
    )
    await plane.quiet()
    assert ("why", 1) not in plane.server.loaded
    await plane.apply(explained)
    assert await plane.settle() == []
    assert (await plane.call("why", row())).model_name == "why"


async def test_a_request_under_way_hears_that_its_model_went_away(plane: Plane) -> None:
    await plane.apply(model("m"), explainer("why", "asking"))
    assert await plane.settle() == []
    answer = plane.call("why", row())
    await asyncio.wait_for(ASKING[-1].asked.wait(), PATIENCE_S)
    await plane.control.delete("Model", "m", force=True)
    error = await asyncio.wait_for(answer, PATIENCE_S)
    assert error.code == "not-ready"
    assert error.message.startswith(
        "explainer 'why' has no answer of model 'm': model 'm' is not ready"
    )


async def test_a_model_scaled_to_zero_is_not_explained(plane: Plane) -> None:
    await plane.apply(model("m"), WHY)
    assert await plane.settle() == []
    await plane.apply(model("m", python="models:Any", replicas=0))
    await plane.until(lambda: plane.reason("Model", "why") != "Serving")
    assert plane.reason("Model", "why") in ("ModelNotReady", "WaitingForModels")
    await plane.apply(model("m", python="models:Any", replicas=1))
    assert await plane.settle() == []


async def test_a_model_that_is_given_up_leaves_it_not_ready(plane: Plane) -> None:
    await plane.apply(model("m", python=BAD), WHY)
    assert await plane.settle() == [
        "model 'm' is not ready: version 1 could not be loaded: it is a bad one",
        "model 'why' is not ready: model 'm', which it explains, is not ready: version 1 could not "
        "be loaded: it is a bad one",
    ]
    assert loads(plane) == ["m"]


async def test_a_new_version_of_its_model_is_another_chance(plane: Plane) -> None:
    await plane.apply(model("m"), explainer("why", "picky"))
    assert await plane.settle() == [
        "model 'why' is not ready: version 1 could not be loaded: nothing is known of it"
    ]
    declared = [{"name": "x", "datatype": "FP32", "shape": ["n"]}]
    await plane.apply(model("m", python="models:Any", inputs=declared))
    await plane.until(lambda: plane.reason("Model", "why") == "Serving")
    assert await plane.settle() == []


async def test_a_new_version_that_lacks_something_leaves_the_one_before(plane: Plane) -> None:
    await plane.apply(model("m"), WHY)
    assert await plane.settle() == []
    await plane.apply(explainer("why", modelRef="other"))
    assert await plane.settle() == [
        "model 'why' is not ready: there is no model 'other', which it explains"
    ]
    assert (await plane.call("why", row())).model_version == "1"
    await plane.apply(model("other"))
    assert await plane.settle() == []
    assert (await plane.call("why", row())).model_version == "2"


async def test_kinds_that_are_not_installed_are_named(plane: Plane) -> None:
    await plane.apply(model("m"), explainer("why", "anchor_tabular"))
    [said] = await plane.settle()
    assert said.endswith(
        "there is no explainer 'anchor_tabular'; installed: asking, echo, picky"
    ), said


async def test_parameters_are_those_of_its_kind(plane: Plane) -> None:
    text = explainer("why")
    text["spec"]["parameters"] = {"sing": "+"}
    await plane.apply(model("m"), text)
    [said] = await plane.settle()
    assert "the explainer 'echo' cannot be made" in said
    assert "'sing'" in said


async def test_an_explainer_is_not_explained(plane: Plane) -> None:
    await plane.apply(model("m"), WHY, explainer("again", modelRef="why"))
    assert await plane.settle() == [
        "model 'again' is not ready: model 'why', which it explains, is an explainer itself; name "
        "what that explains"
    ]


async def test_a_gateway_that_has_not_heard_of_its_model_is_asked_again(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = [False, True]  # as of one that follows
    monkeypatch.setattr(Questions, "serves", lambda *asked: heard.pop(0))
    await plane.apply(model("m"), WHY)
    await plane.until(lambda: plane.reason("Model", "why") == "Retrying")
    assert "has not heard of model 'm' yet" in str(plane.condition("Model", "why"))
    await plane.naps.wake()
    assert await plane.settle() == []


async def test_a_pipeline_without_an_output_has_nothing_to_explain(plane: Plane) -> None:
    silent = pipeline("p", steps=[{"name": "m"}])
    await plane.apply(model("m"), silent, WHY_P)
    [said] = await plane.settle()
    assert said.endswith("add an output section to its manifest")
    await plane.apply(PIPED)
    assert await plane.settle() == []
    await plane.apply(silent)
    assert await plane.settle() == []
    error = await plane.call("why", row())
    assert (error.code, error.message) == (
        "unsupported",
        "explainer 'why' has no answer of pipeline 'p': pipeline 'p' has no output, so nothing can "
        "be explained; add an output section to its manifest",
    )


async def test_it_is_a_step_like_others(plane: Plane) -> None:
    await plane.apply(model("m"), WHY, pipeline("both", "m", "why"))
    assert await plane.settle() == []
    assert [each.name for each in (await plane.call("both", row())).tensors] == ["x"]
    with pytest.raises(ConflictError, match="model 'why' is used by pipeline 'both'"):
        await plane.control.delete("Model", "why", force=False)


@pytest.mark.parametrize("first", [(), (model("m"), WHY_P), (model("m"), pipeline("p", "why"))])
async def test_a_pipeline_with_its_own_explainer_as_a_step_is_refused(
    plane: Plane, first: tuple[dict[str, Any], ...]
) -> None:
    if first:
        await plane.apply(*first)
    with pytest.raises(ProblemsError) as refused:
        await plane.apply(model("m"), WHY_P, pipeline("p", "why"))
    assert refused.value.details[0].split(": ", 2)[1:] == [
        "metadata.name",
        "the pipeline 'p' has a step that explains it; have one of them do without the next",
    ]


async def test_a_circle_through_what_is_there_is_refused(plane: Plane) -> None:
    inner = pipeline("p", steps=[{"name": "s", "pipeline": "q"}], output={"steps": ["s"]})
    await plane.apply(model("m"), pipeline("q", "why"), inner)
    with pytest.raises(ProblemsError) as refused:
        await plane.apply(WHY_P)
    assert refused.value.details[0].endswith("the pipelines need each other: q -> p -> q")
    await plane.apply(explainer("why"))
    assert await plane.settle() == []
