"""Small models whose answers can be worked out in the head."""

from __future__ import annotations

import asyncio
from typing import Annotated, NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from penstock import CallContext, Model, Retriable, Shape

Integers = Annotated[NDArray[np.int32], Shape(1, 16)]
Numbers = Annotated[NDArray[np.float32], Shape("n")]
Flag = Annotated[NDArray[np.bool_], Shape(1)]

HERE: Flag = np.ones(1, bool)
"""A tensor of which nothing counts but that it is there."""


class SumAndDifference(TypedDict):
    """The outputs of ``tfsimple``."""

    OUTPUT0: Integers
    OUTPUT1: Integers


def tfsimple(INPUT0: Integers, INPUT1: Integers) -> SumAndDifference:  # noqa: N803 - as in Triton's examples
    """The sum and the difference of two tensors."""
    return {"OUTPUT0": INPUT0 + INPUT1, "OUTPUT1": INPUT0 - INPUT1}


class Output(TypedDict):
    """One tensor of numbers."""

    OUTPUT: Numbers


def mul10(INPUT: Numbers) -> Output:  # noqa: N803 - as above
    """Ten times as much."""
    return {"OUTPUT": INPUT * np.float32(10)}


def add10(INPUT: Numbers) -> Output:  # noqa: N803 - as above
    """Ten more."""
    return {"OUTPUT": INPUT + np.float32(10)}


def unchanged(INPUT: Numbers) -> Output:  # noqa: N803 - as above
    """What it was given."""
    return {"OUTPUT": INPUT}


class Side(TypedDict):
    """One of the two."""

    OUTPUT0: NotRequired[Numbers]
    OUTPUT1: NotRequired[Numbers]


def conditional(CHOICE: Annotated[NDArray[np.int32], Shape(1)], INPUT: Numbers) -> Side:  # noqa: N803 - as above
    """Routes by leaving a tensor out: ``OUTPUT0`` for the choice 0, else ``OUTPUT1``."""
    return {"OUTPUT0": INPUT} if CHOICE[0] == 0 else {"OUTPUT1": INPUT}


# A number, and one of two flags that say which way it goes. No class can have a field `continue`.
Counted = TypedDict(
    "Counted", {"OUTPUT": Numbers, "continue": NotRequired[Flag], "stop": NotRequired[Flag]}
)


def count(INPUT: Numbers) -> Counted:  # noqa: N803 - as above
    """One more, until the first number has come to ten."""
    more = INPUT + np.float32(1)
    return {"OUTPUT": more, "continue": HERE} if more[0] < 10 else {"OUTPUT": more, "stop": HERE}


class Draft(TypedDict):
    """A guess, and how often it was improved."""

    guess: Numbers
    number: Numbers
    rounds: Annotated[NDArray[np.int32], Shape(1)]


def improve(number: Numbers, call: CallContext, guess: Numbers | None = None) -> Draft:
    """One step of Heron's method for a square root."""
    before = number if guess is None else guess
    better = (before + number / before) / np.float32(2)
    return {"guess": better, "number": number, "rounds": np.array([call.round + 1], np.int32)}


class Judged(TypedDict):
    """A guess that is to be improved, or one that is good."""

    guess: NotRequired[Numbers]
    number: NotRequired[Numbers]
    root: NotRequired[Numbers]


def judge(guess: Numbers, number: Numbers) -> Judged:
    """Sends a guess back until its square is the number, to a thousandth."""
    if np.abs(guess * guess - number).max() > 1e-3:
        return {"guess": guess, "number": number}
    return {"root": guess}


def square_root(INPUT: Numbers) -> Output:  # noqa: N803 - as above
    """The square roots, of which negative numbers have none."""
    if (INPUT < 0).any():
        raise ValueError("a negative number has no square root")
    return {"OUTPUT": np.sqrt(INPUT)}


async def late(INPUT: Numbers, WAIT: Annotated[NDArray[np.float32], Shape(1)]) -> Output:  # noqa: N803 - as above
    """What it was given, after so many seconds."""
    await asyncio.sleep(float(WAIT[0]))
    return {"OUTPUT": INPUT}


class Shaky(Model):
    """Fails the first attempt of each request, in a way that is worth another one."""

    def load(self, context: object) -> None:
        """Nobody has tried yet."""
        self._tried: set[str] = set()

    def predict(self, INPUT: Numbers, call: CallContext) -> Output:  # noqa: N803 - as above
        """What it was given, at the second attempt."""
        if call.identity not in self._tried:
            self._tried.add(call.identity)
            raise Retriable("try again")
        self._tried.remove(call.identity)
        return {"OUTPUT": INPUT}
