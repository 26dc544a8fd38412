"""The explainer, over models that are functions: what it finds, asks and refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lux.lux", reason="LUX is not installed: pip install 'penstock[lux]'")

from harness.explained import SIGNATURE, Of
from penstock.core.arrays import Array
from penstock.core.contracts.explainer import Ask
from penstock.core.errors import InvalidRequestError
from penstock.core.inference import InferenceRequest
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor
from penstock.plugins.lux.explainer import Lux

RNG = np.random.default_rng(0)
BACKGROUND = RNG.uniform(-1.0, 1.0, size=(150, 2))


class Asked:
    """Answers with what ``model`` makes of the features, and keeps what came."""

    def __init__(self, model: Callable[[Array], Any]) -> None:
        self._model = model
        self.rows = 0
        self.last: Tensors = ()

    async def __call__(self, tensors: Tensors, beside: Tensors = ()) -> Tensors:
        self.rows += tensors[0].shape[0]
        self.last = (*tensors, *beside)
        return (Tensor.from_numpy("class", self._model(tensors[0].array)),)


def quadrants(x: Array) -> Any:
    """Right of 0.2, and there above 0.3; else left."""
    return np.where(x[:, 0] < 0.2, b"left", np.where(x[:, 1] < 0.3, b"below", b"above")).astype(
        object
    )


def loaded(background: Array = BACKGROUND, **parameters: Any) -> Lux:
    explainer = Lux(**{"background": background.tolist(), **parameters})
    explainer.load(Of(), None)
    return explainer


async def explain(explainer: Lux, ask: Ask, rows: Any, *others: Tensor) -> dict[str, Any]:
    tensors = (Tensor.from_numpy("x", np.array(rows, np.float64)), *others)
    answer = await explainer.explain(InferenceRequest(None, tensors), ask)
    read = {each.name: each.array.tolist() for each in answer}
    return {
        name: [json.loads(text) for text in values] if isinstance(values[0], bytes) else values
        for name, values in read.items()
    }


async def test_a_tree_of_a_model_is_found_again() -> None:
    asked = Asked(quadrants)
    answer = await explain(loaded(featureNames=["a", "b"]), asked, [[0.5, 0.9], [-0.5, 0.0]])
    assert asked.rows == 2 * 151
    above, left = answer["rule"]
    assert (above["prediction"], above["class"]) == ("above", "above")
    near = {(each["feature"], each["op"]): each["threshold"] for each in above["conditions"]}
    assert near == {
        ("a", ">="): pytest.approx(0.2, abs=0.05),
        ("b", ">="): pytest.approx(0.3, abs=0.1),
    }
    assert above["precision"] == answer["precision"][0] > 0.9
    assert 0.0 < above["coverage"] < 0.2
    assert answer["fidelity"][0] > 0.9
    assert [(each["feature"], each["op"]) for each in left["conditions"]] == [("a", "<")]


async def test_counterfactuals_lead_to_other_classes_and_show_a_row_that_has_them() -> None:
    answer = await explain(loaded(), Asked(quadrants), [[0.5, 0.9]])
    [found] = answer["counterfactuals"]
    assert {each["class"] for each in found} == {"left", "below"}
    for each in found:
        [change] = each["changes"]
        assert change in each["conditions"]
        example = np.array([list(each["example"].values())])
        assert quadrants(example)[0].decode() == each["class"]
        assert example.tolist()[0] in BACKGROUND.tolist()


async def test_the_same_row_has_the_same_rules_whatever_is_drawn_in_the_process() -> None:
    np.random.seed(5)
    once = await explain(loaded(), Asked(quadrants), [[0.5, 0.9]])
    np.random.seed(6)
    assert await explain(loaded(), Asked(quadrants), [[0.5, 0.9]]) == once


async def test_several_at_a_time_do_not_disturb_each_other() -> None:
    explainer, asked = loaded(), Asked(quadrants)
    rows = [[[0.5, 0.9]], [[-0.5, 0.0]], [[0.9, -0.9]]]
    alone = [await explain(explainer, asked, each) for each in rows]
    assert await asyncio.gather(*(explain(explainer, asked, each) for each in rows)) == alone


async def test_less_around_the_row_is_learned_from_where_a_manifest_says_so() -> None:
    near = await explain(loaded(neighbourhood=0.1), Asked(quadrants), [[-0.9, -0.9]])
    whole = await explain(loaded(), Asked(quadrants), [[-0.9, -0.9]])
    assert near["rule"][0]["class"] == whole["rule"][0]["class"] == "left"
    assert near["rule"][0]["conditions"] != whole["rule"][0]["conditions"]


async def test_features_that_say_the_class_only_together_are_both_in_the_rule() -> None:
    corners = np.array([[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [1.0, -1.0]] * 20)
    asked = Asked(lambda x: (x[:, 0] * x[:, 1] > 0).astype(np.int64))
    answer = await explain(loaded(corners), asked, [[0.5, -0.5]])
    conditions = answer["rule"][0]["conditions"]
    assert {each["feature"] for each in conditions} == {"Feature 0", "Feature 1"}
    assert (answer["rule"][0]["class"], answer["precision"]) == ("0", [1.0])


async def test_a_rule_covers_as_many_rows_as_a_manifest_says() -> None:
    corner = np.vstack([BACKGROUND, [[-0.9, -0.9]] * 6])

    def model(x: Array) -> Any:
        return (x[:, 0] > 0.2) | (x < -0.8).all(axis=1)

    few = await explain(loaded(corner, leafRows=1), Asked(model), [[-0.7, -0.7]])
    many = await explain(loaded(corner, leafRows=30), Asked(model), [[-0.7, -0.7]])
    assert len(many["rule"][0]["conditions"]) < len(few["rule"][0]["conditions"])
    assert many["rule"][0]["covered"] > few["rule"][0]["covered"]


async def test_other_tensors_are_held_fixed() -> None:
    limit = Tensor.from_numpy("limit", np.array([[3.0], [4.0]]))
    scale = Tensor.from_numpy("scale", np.array([1.0, 2.0, 3.0]))
    asked = Asked(quadrants)
    await explain(loaded(features=["x"]), asked, [[0.5, 0.9], [0.1, 0.9]], limit, scale)
    x, fixed, beside = asked.last
    assert (x.name, x.shape) == ("x", (151, 2))
    assert fixed.array.tolist() == [[4.0]] * 151
    assert beside.array.tolist() == [1.0, 2.0, 3.0]


async def test_a_rule_covers_fewer_rows_where_it_would_lead_to_another_class() -> None:
    def model(x: Array) -> Any:
        return np.where(x[:, 0] > 5, 2, x[:, 0] > 0).astype(np.int64)

    answer = await explain(loaded(), Asked(model), [[9.0, 0.0]])
    [rule] = answer["rule"]
    assert (rule["prediction"], rule["class"]) == ("2", "2")
    assert (rule["precision"], rule["covered"], answer["precision"]) == (None, 0, [0.0])


@pytest.mark.parametrize(
    ("model", "rows", "parameters", "said"),
    [
        (lambda x: x[:, 0], [[0.0, 0.0]], {}, "has no class for each row; .*permutation_shap"),
        (lambda x: (x[:, 0] * 1e6).astype(int), [[0.0, 0.0]], {}, "are no classes .*permutation"),
        (lambda x: [b"a"] * len(x), [[0.0, 0.0]], {}, "answers 'a' to the row and to all rows"),
        (quadrants, [[0.0, np.nan]], {}, "the request has values that are infinite or no number"),
        (quadrants, [[0.0]], {}, "the background has 2 features, and the request 1"),
        (quadrants, [[0.0, 0.0]], {"leafRows": 500}, "has to cover 500 rows that are learned from"),
        (quadrants, [[0.0, 0.0]], {"featureNames": ["a"]}, "featureNames has 1 names"),
        (quadrants, [[0.0, 0.0]], {"output": "clas"}, "does not put out 'clas'; did you mean"),
    ],
)
async def test_what_cannot_be_explained_is_refused(
    model: Callable[[Array], Any], rows: Any, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        await explain(loaded(**parameters), Asked(model), rows)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"background": None}, "lux needs a background of 3 rows or more"),
        ({"background": [[0.0], [1.0]]}, "lux needs a background of 3 rows or more"),
        ({"background": [[0.0], [1.0], [np.inf]]}, "the background has values that are infinite"),
        ({"neighborhood": 0.5}, "'neighborhood' is no parameter of lux; did you mean 'neighbourh"),
        ({"neighbourhood": 0.0}, "'neighbourhood': Input should be greater than 0"),
    ],
)
def test_parameters_are_checked_at_load(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        Lux(**parameters).load(Of(), None)


def test_it_takes_what_the_model_takes() -> None:
    signature = loaded().signature()
    assert signature.inputs == SIGNATURE.inputs
    assert [each.name for each in signature.outputs or ()] == [
        "rule",
        "counterfactuals",
        "precision",
        "fidelity",
    ]
