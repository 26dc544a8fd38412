"""What explanations ask: rows as batches, within bounds, each answer in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.contracts.explainer import Explains
from penstock.core.errors import (
    InvalidRequestError,
    NotReadyError,
    OverloadedError,
    PenstockError,
    StepFailedError,
    TooLargeError,
)
from penstock.core.explaining.evaluations import (
    CALLS_PREPARED,
    ROWS_PER_CALL,
    Evaluations,
    rows_per_call,
)
from penstock.core.records import Tensors
from penstock.core.signature import Signature, TensorSpec
from penstock.core.tensors import Tensor

M = Explains("echo", "model", "m")


def rows(count: int, name: str = "x") -> Tensor:
    return Tensor.from_numpy(name, np.arange(float(count)).reshape(-1, 1))


class Doubling:
    """A model that answers when it is let, and notes how many calls it has at a time."""

    def __init__(self) -> None:
        self.calls: list[Tensors] = []
        self.at_once = 0
        self.most_at_once = 0
        self.cancelled = 0
        self.busy = asyncio.Event()
        """Set while as many calls are under way as may be."""
        self.answer: Callable[[Tensors], Tensors] = lambda tensors: (
            Tensor.from_numpy("y", tensors[0].array * 2),
        )

    async def __call__(self, tensors: Tensors) -> Tensors:
        self.calls.append(tensors)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        if self.at_once == M.calls_in_flight:
            self.busy.set()
        try:
            # The later a call comes, the sooner it is answered.
            for _ in range(max(1, 20 - len(self.calls))):
                await asyncio.sleep(0)
            return self.answer(tensors)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1


@given(count=st.integers(1, 40), at_once=st.integers(1, 50), lanes=st.integers(1, 5))
async def test_each_row_has_its_answer_whatever_the_calls(
    count: int, at_once: int, lanes: int
) -> None:
    model = Doubling()
    asked = Evaluations("why", replace(M, calls_in_flight=lanes), at_once, model)
    [answer] = await asked.ask((rows(count),))
    assert answer.array.ravel().tolist() == [2.0 * i for i in range(count)]
    assert [call[0].shape[0] for call in model.calls] == [
        min(at_once, count - begin) for begin in range(0, count, at_once)
    ]
    assert model.most_at_once <= lanes


async def test_of_a_large_question_not_all_calls_are_prepared_at_once() -> None:
    async def at_once(tensors: Tensors) -> Tensors:
        return tensors

    [answer] = await Evaluations("why", M, 1, at_once).ask((rows(CALLS_PREPARED * 2 + 3),))
    assert answer.array.ravel().tolist() == list(range(CALLS_PREPARED * 2 + 3))


async def test_what_goes_beside_is_in_every_call() -> None:
    model = Doubling()
    beside = Tensor.from_numpy("threshold", np.array(0.5))
    await Evaluations("why", M, 2, model).ask((rows(5), rows(5, "z")), (beside,))
    assert [[each.name for each in call] for call in model.calls] == [["x", "z", "threshold"]] * 3
    assert [call[2].shape for call in model.calls] == [()] * 3


async def test_evaluations_of_one_explanation_are_bounded_together() -> None:
    model = Doubling()
    asked = Evaluations("why", replace(M, max_evaluations=10), 4, model)
    await asked.ask((rows(7),))
    with pytest.raises(TooLargeError, match="needs more than 10 evaluations of model 'm'"):
        await asked.ask((rows(4),))
    assert len(model.calls) == 2
    await asked.ask((rows(3),))


async def test_calls_at_a_time_are_bounded_over_all_questions_of_an_explanation() -> None:
    model = Doubling()
    asked = Evaluations("why", replace(M, calls_in_flight=3), 2, model)
    answers = await asyncio.gather(*[asked.ask((rows(count),)) for count in (1, 9, 2, 20)])
    assert [answer[0].shape[0] for answer in answers] == [1, 9, 2, 20]
    assert model.most_at_once == 3


@pytest.mark.parametrize(
    "tensors", [(), (rows(0),), (rows(2), rows(3)), (Tensor.from_numpy("x", np.array(1.0)),)]
)
async def test_rows_have_to_be_rows(tensors: Tensors) -> None:
    with pytest.raises(InvalidRequestError, match="the same number of rows"):
        await Evaluations("why", M, 4, Doubling()).ask(tensors)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: (), "put out nothing"),
        (lambda _: (rows(1),), r"answered 4 rows with 'x' \[1, 1\]; .* batchSize: 1"),
        (lambda tensors: (rows(len(tensors[0].array), f"{tensors[0].array[0]}"),), "other tensors"),
        (
            lambda tensors: (
                Tensor.from_numpy("y", np.zeros((4, 1 + int(tensors[0].array[0, 0])))),
            ),
            "other tensors",
        ),
    ],
)
async def test_an_answer_that_fits_no_rows_is_refused(
    answer: Callable[[Tensors], Tensors], said: str
) -> None:
    model = Doubling()
    model.answer = answer
    with pytest.raises(StepFailedError, match=said):
        await Evaluations("why", M, 4, model).ask((rows(8),))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OverloadedError("too much"), "too much"),
        (NotReadyError("model 'm' is not ready: gone"), "model 'm' is not ready: gone"),
    ],
)
@pytest.mark.parametrize("count", [1, 9])
async def test_an_error_names_who_asked_whom_and_ends_the_other_calls(
    error: PenstockError, said: str, count: int
) -> None:
    model = Doubling()

    def answer(_: Tensors) -> Tensors:
        raise error

    model.answer = answer
    with pytest.raises(type(error)) as raised:
        await Evaluations("why", M, 1, model).ask((rows(count),))
    assert raised.value.message == f"explainer 'why' has no answer of model 'm': {said}"
    assert raised.value.retriable
    assert model.at_once == 0
    assert len(model.calls) <= M.calls_in_flight


async def test_when_it_is_cancelled_so_is_what_it_asks() -> None:
    model = Doubling()
    asking = asyncio.ensure_future(Evaluations("why", M, 1, model).ask((rows(9),)))
    await model.busy.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert model.cancelled == M.calls_in_flight
    assert len(model.calls) == M.calls_in_flight


async def test_what_answers_at_once_holds_nobody_up() -> None:
    turns = 0

    async def at_once(tensors: Tensors) -> Tensors:
        return tensors

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(others())
    await Evaluations("why", M, 1, at_once).ask((rows(400),))
    beside.cancel()
    assert turns >= 400 / M.calls_in_flight


@pytest.mark.parametrize(
    ("batch_size", "shapes", "expected"),
    [
        (7, [(1, 2)], 7),
        (None, None, 1),
        (None, [None], 1),
        (None, [()], 1),
        (None, [(1, 2)], 1),
        (None, [(None, 2)], ROWS_PER_CALL),
        (None, [(1,), ("n", 2)], ROWS_PER_CALL),
    ],
)
def test_rows_of_a_call(
    batch_size: int | None, shapes: list[tuple[int | str | None, ...] | None] | None, expected: int
) -> None:
    signature = None
    if shapes is not None:
        signature = Signature(tuple(TensorSpec(f"x{i}", None, s) for i, s in enumerate(shapes)))
    assert rows_per_call(replace(M, batch_size=batch_size), signature) == expected
    assert rows_per_call(replace(M, batch_size=None), Signature()) == 1
