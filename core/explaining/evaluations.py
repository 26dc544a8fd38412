"""What one explanation asks: rows in, rows out, as calls of as many rows as the model takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeAlias

from penstock.core.contracts.explainer import Explains
from penstock.core.errors import (
    InvalidRequestError,
    PenstockError,
    StepFailedError,
    TooLargeError,
    error_of,
)
from penstock.core.explaining.lanes import in_lanes
from penstock.core.records import Tensors
from penstock.core.rows import common_rows, put_together, take_apart
from penstock.core.shapes import Shape
from penstock.core.signature import Signature
from penstock.core.tensors import Tensor

ROWS_PER_CALL: Final = 4096
"""Of what takes any number of rows. More save little, and hold others up for longer."""

CALLS_PREPARED: Final = 1024
"""Rows are cut for so many calls before these are made, and not for all of a large question."""

Call: TypeAlias = Callable[[Tensors], Awaitable[Tensors]]
"""One call of what is explained."""


def rows_per_call(explains: Explains, signature: Signature | None) -> int:
    """How many rows one call has: what the manifest says, many where the signature leaves the first
    axis of some input free, else one."""
    if explains.batch_size is not None:
        return explains.batch_size
    inputs = () if signature is None or signature.inputs is None else signature.inputs
    shapes = [tensor.shape for tensor in inputs if tensor.shape]
    return ROWS_PER_CALL if any(not isinstance(shape[0], int) for shape in shapes) else 1


def too_many_evaluations(explains: Explains) -> TooLargeError:
    """The error of an explanation that needs more of them than it may make."""
    return TooLargeError(
        f"the explanation needs more than {explains.max_evaluations} evaluations of {explains}; "
        "send fewer rows, give it less background data, or raise maxEvaluations of the explainer"
    )


class Evaluations:
    """Those of one explanation of the explainer ``asker``, which are bounded together, however many
    questions it has at a time. ``rows`` is how many a call has."""

    def __init__(self, asker: str, explains: Explains, rows: int, call: Call) -> None:
        self._asker = asker
        self._explains = explains
        self._rows = rows
        self._call = call
        self._left = explains.max_evaluations
        self._places = asyncio.Semaphore(explains.calls_in_flight)

    async def ask(self, tensors: Tensors, beside: Tensors = ()) -> Tensors:
        """As :class:`penstock.core.contracts.explainer.Ask`."""
        rows = common_rows(tensors) if tensors else None
        if not rows:
            raise InvalidRequestError(
                f"what {self._explains} is asked has to be tensors with the same number of rows"
            )
        self._take(rows)
        if rows <= self._rows:
            return await self._one((*tensors, *beside))
        parts = take_apart(tensors, list(_counts(rows, self._rows * CALLS_PREPARED)))
        return self._together([await self._ask(part, beside) for part in parts])

    async def _ask(self, tensors: Tensors, beside: Tensors) -> Tensors:
        blocks = take_apart(tensors, list(_counts(tensors[0].shape[0], self._rows)))
        calls = [(*block, *beside) for block in blocks]
        lanes = min(self._explains.calls_in_flight, len(calls))
        return self._together(await in_lanes(lanes, calls, self._one))

    def _together(self, answers: Sequence[Tensors]) -> Tensors:
        if len(answers) == 1:
            return answers[0]
        if len({tuple(map(_kind, answer)) for answer in answers}) > 1:
            raise self._refuse("answers some of its calls with other tensors than others")
        return put_together(answers)

    def _take(self, rows: int) -> None:
        if rows > self._left:
            raise too_many_evaluations(self._explains)
        self._left -= rows

    async def _one(self, block: Tensors) -> Tensors:
        try:
            async with self._places:
                answer = await self._call(block)
        except PenstockError as error:
            raise self._passed_on(error) from error
        if not answer:
            raise self._refuse("put out nothing, so there is nothing to explain")
        rows = block[0].shape[0]
        if common_rows(answer) != rows:
            shapes = ", ".join(f"'{each.name}' {list(each.shape)}" for each in answer)
            raise self._refuse(
                f"answered {rows} rows with {shapes}; if it does not take several rows at a time, "
                "write batchSize: 1 into the explainer"
            )
        return answer

    def _passed_on(self, error: PenstockError) -> PenstockError:
        """An error of what is explained, with who asked and who was asked."""
        said = f"explainer '{self._asker}' has no answer of {self._explains}: {error.message}"
        return error_of(error.code, said, step=error.step, details=error.details)

    def _refuse(self, said: str) -> StepFailedError:
        return StepFailedError(f"{self._explains} cannot be explained: it {said}")


def _kind(tensor: Tensor) -> tuple[str, str, Shape]:
    """What answers have in common that can be put together."""
    return tensor.name, tensor.datatype, tensor.shape[1:]


def _counts(rows: int, at_once: int) -> Iterator[int]:
    while rows > 0:
        yield min(rows, at_once)
        rows -= at_once
