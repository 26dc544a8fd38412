"""How models are asked for SHAP values: in full calls, several at a time, and within bounds."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from harness.explained import Of
from penstock.core.arrays import Array
from penstock.core.contracts.explainer import Explained
from penstock.core.errors import StepFailedError, TooLargeError
from penstock.core.explaining.evaluations import Evaluations
from penstock.core.inference import InferenceRequest
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor
from penstock.plugins.shap.asking import AskingShap
from penstock.plugins.shap.kernel import KernelShap
from penstock.plugins.shap.permutation import PermutationShap

Kind: TypeAlias = Callable[..., AskingShap]

RANDOM = np.random.default_rng(0)
BACKGROUND = RANDOM.normal(size=(10, 12))
ROWS = RANDOM.normal(size=(3, 12))
KINDS: dict[Kind, dict[str, Any]] = {
    PermutationShap: {"permutations": 3},
    KernelShap: {"samples": 60},
}


class Model:
    """Answers when ``at_a_time`` calls have come, as a thread would, and notes what came."""

    def __init__(self, at_a_time: int = 1) -> None:
        self._at_a_time = at_a_time
        self.calls: list[Array] = []
        self.open = 0
        self.most = 0

    async def __call__(self, tensors: Tensors) -> Tensors:
        x = tensors[0].array
        self.calls.append(x.copy())
        self.open += 1
        self.most = max(self.most, self.open)
        for _ in range(10):
            await asyncio.sleep(0)
        self.open -= 1
        return self.answer(x, tensors)

    def answer(self, x: Array, tensors: Tensors) -> Tensors:
        """Two columns."""
        return (Tensor.from_numpy("y", np.stack([np.cos(x).prod(axis=1), x[:, 0]], axis=1)),)


def explainer(kind: Kind, of: Explained, **parameters: Any) -> AskingShap:
    made = kind(**{"background": BACKGROUND.tolist(), **KINDS[kind], **parameters})
    made.load(of, None)
    return made


async def explained(
    made: AskingShap, of: Of, model: Model, *tensors: Tensor, rows_per_call: int = 25
) -> dict[str, Array]:
    """The answer by name."""
    asked = Evaluations("why", of.explains, rows_per_call, model)
    answer = await made.explain(InferenceRequest(None, tensors), asked.ask)
    return {each.name: each.array for each in answer}


def x(rows: Array = ROWS) -> Tensor:
    return Tensor.from_numpy("x", rows)


@pytest.mark.parametrize("kind", KINDS)
async def test_rows_of_a_request_are_asked_together_in_full_calls(kind: Kind) -> None:
    of, model = Of(calls_in_flight=3), Model()
    answer = await explained(explainer(kind, of), of, model, x())
    assert model.most == 3
    sizes = sorted(len(call) for call in model.calls)
    assert sizes[1:] == [25] * (len(sizes) - 1)
    alone = [await explained(explainer(kind, of), of, Model(), x(row[None])) for row in ROWS]
    for name in ("shap_values", "base_values", "data"):
        assert np.allclose(answer[name], np.concatenate([each[name] for each in alone]))
    total = answer["shap_values"].sum(axis=1) + answer["base_values"]
    assert np.allclose(total, model.answer(ROWS, ())[0].array)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows_per_call", "calls_in_flight"), [(1, 1), (7, 2), (4096, 4)])
async def test_however_it_is_asked_the_answer_is_the_same(
    kind: Kind, rows_per_call: int, calls_in_flight: int
) -> None:
    of = Of(rows_per_call=rows_per_call, calls_in_flight=calls_in_flight)
    plain = await explained(explainer(kind, Of()), Of(), Model(), x())
    answer = await explained(explainer(kind, of), of, Model(), x(), rows_per_call=rows_per_call)
    assert np.allclose(answer["shap_values"], plain["shap_values"])


async def test_what_has_rows_goes_with_each_masked_row() -> None:
    class Weighted(Model):
        def answer(self, x: Array, tensors: Tensors) -> Tensors:
            weight = tensors[1].array
            assert weight.shape == (len(x), 1)
            return (Tensor.from_numpy("y", x[:, 0] * weight[:, 0]),)

    of = Of()
    made = explainer(PermutationShap, of, features=("x",))
    weights = Tensor.from_numpy("weight", np.array([[1.0], [2.0], [-3.0]]))
    answer = await explained(made, of, Weighted(), x(), weights)
    expected = (ROWS[:, 0] - BACKGROUND[:, 0].mean()) * [1.0, 2.0, -3.0]
    assert np.allclose(answer["shap_values"][:, 0], expected)
    assert np.allclose(answer["shap_values"][:, 1:], 0.0)


async def test_whole_numbers_stay_whole_numbers() -> None:
    of, model = Of(), Model()
    whole = np.arange(36, dtype=np.int32).reshape(3, 12)
    answer = await explained(explainer(PermutationShap, of), of, model, x(whole))
    assert {call.dtype for call in model.calls} == {np.dtype(np.int32)}
    assert answer["data"].dtype == np.float64


@pytest.mark.parametrize("kind", KINDS)
async def test_what_would_be_too_much_is_not_begun(kind: Kind) -> None:
    of, model = Of(max_evaluations=1000), Model()
    with pytest.raises(TooLargeError, match="needs more than 1000 evaluations of model 'm'"):
        await explained(explainer(kind, of), of, model, x())
    assert not model.calls


async def test_a_bound_that_nobody_could_know_of_holds_as_well() -> None:
    of, model = Of(max_evaluations=100), Model()
    half = np.where(np.arange(12) < 6, BACKGROUND[0], ROWS[0])
    background = np.tile(BACKGROUND[0], (10, 1)) + 1e-3 * np.arange(10)[:, None] * (half != 0)
    made = explainer(PermutationShap, of, background=background.tolist())
    with pytest.raises(TooLargeError, match="needs more than 100 evaluations"):
        await explained(made, of, model, x(half[None]))


async def test_features_that_are_as_usual_are_not_asked_about_twice() -> None:
    of, model = Of(), Model()
    rows = np.tile(BACKGROUND[0], (1, 1))
    rows[0, 3] += 1.0
    made = explainer(KernelShap, of, background=BACKGROUND[:1].tolist())
    answer = await explained(made, of, model, x(rows))
    assert sum(len(call) for call in model.calls) == 3  # without the feature, with it, and the row
    assert np.allclose(np.delete(answer["shap_values"], 3, axis=1), 0.0)


@pytest.mark.parametrize("kind", KINDS)
async def test_with_a_seed_an_answer_is_the_same_again(kind: Kind) -> None:
    async def say(seed: int) -> Array:
        of = Of()
        return (await explained(explainer(kind, of, seed=seed), of, Model(), x()))["shap_values"]

    assert np.array_equal(await say(1), await say(1))
    assert not np.allclose(await say(1), await say(2))


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [(PermutationShap, {"permutations": 15}), (KernelShap, {"samples": 62}), (KernelShap, {})],
)
async def test_where_what_is_asked_suffices_values_are_exact(
    kind: Kind, parameters: dict[str, Any]
) -> None:
    """Six features have 64 coalitions: one that is empty and the whole, which no sample is."""
    of, values = Of(), []
    for seed in (1, 2):
        background = BACKGROUND[:, :6].tolist()
        made = kind(background=background, seed=seed, **parameters)
        made.load(of, None)
        values.append((await explained(made, of, Model(), x(ROWS[:, :6])))["shap_values"])
    assert np.array_equal(values[0], values[1])


async def test_a_model_that_keeps_what_it_is_called_with_keeps_it_as_it_was() -> None:
    class Keeping(Model):
        def __init__(self) -> None:
            super().__init__()
            self.kept: list[Array] = []

        def answer(self, x: Array, tensors: Tensors) -> Tensors:
            self.kept.append(x)
            return super().answer(x, tensors)

    of, model = Of(calls_in_flight=1), Keeping()
    made = explainer(PermutationShap, of)
    for _ in range(3):
        await explained(made, of, model, x())
    assert all(map(np.array_equal, model.kept, model.calls))


async def test_memory_is_used_again() -> None:
    places = set()

    class Placed(Model):
        def answer(self, x: Array, tensors: Tensors) -> Tensors:
            places.add(x.ctypes.data)
            return super().answer(x, tensors)

    of, model = Of(calls_in_flight=1, rows_per_call=2000), Placed()
    made = explainer(PermutationShap, of, background=np.tile(BACKGROUND, (20, 1)).tolist())
    for _ in range(3):
        await explained(made, of, model, x(), rows_per_call=2000)
    assert len(model.calls) > 15
    assert len(places) == 2  # one is made while another is asked


async def test_answers_of_other_columns_than_before_are_refused() -> None:
    class Growing(Model):
        def answer(self, x: Array, tensors: Tensors) -> Tensors:
            return (Tensor.from_numpy("y", np.zeros((len(x), 1 + (len(x) < 1024)))),)

    of = Of(rows_per_call=1024)
    with pytest.raises(StepFailedError, match="other columns than others"):
        await explained(explainer(PermutationShap, of), of, Growing(), x(), rows_per_call=1024)


async def test_other_requests_have_their_turn() -> None:
    class AtOnce(Model):
        async def __call__(self, tensors: Tensors) -> Tensors:
            self.calls.append(tensors[0].array)
            return self.answer(tensors[0].array, tensors)

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    of, model = Of(rows_per_call=1024, calls_in_flight=1), AtOnce()
    beside = asyncio.ensure_future(others())
    rows = np.repeat(ROWS, 30, axis=0)
    await explained(explainer(PermutationShap, of), of, model, x(rows), rows_per_call=1024)
    beside.cancel()
    assert turns >= 90 + len(model.calls) // 2


@pytest.mark.parametrize("kind", KINDS)
async def test_the_library_is_not_needed(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shap", None)
    of = Of()
    answer = await explained(explainer(kind, of), of, Model(), x())
    assert answer["shap_values"].shape == (3, 12, 2)
