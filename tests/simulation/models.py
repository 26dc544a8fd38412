"""What models do in a simulated world: a function of request, step and attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle.model import Attempt, Never, Produces, Raises
from penstock.core.engine import Call
from penstock.core.records import Tensors
from penstock.core.tensors import Tensor
from simulation.graphs import PRODUCED

if TYPE_CHECKING:
    from simulation.world import World


class Tokens:
    """Tensors whose rows all say what they were made of, and whose request they are.

    They say it in their contents, so that they can be put together and taken apart.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._known: list[tuple[str, str]] = []

    def tensor(self, name: str, token: str, of: str, rows: int) -> Tensor:
        """A tensor of so many rows."""
        what = (token, of)
        number = self._numbers.get(what)
        if number is None:
            number = self._numbers[what] = len(self._known)
            self._known.append(what)
        return Tensor(name, "INT32", (rows,), number.to_bytes(4, "little") * rows)

    def read(self, tensor: Tensor) -> tuple[str, str]:
        """What a tensor was made of, and whose it is."""
        contents = bytes(tensor.raw)
        first = contents[:4]
        assert contents == first * tensor.shape[0], "rows of several requests"
        return self._known[int.from_bytes(first, "little")]


class Models:
    """Everything that is called in one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.tokens = Tokens()

    def reaction(self, calls: list[Call]) -> Attempt:
        """How a call goes that these visits share; most often it is one alone.

        What fails for one fails for all in it, and it takes as long as the slowest would.
        """
        if calls[0].plan.batch is None:
            return self._alone(calls[0])
        attempts = [self._alone(call) for call in calls]
        outcome: Produces | Raises | Never = Produces(PRODUCED)
        for attempt in attempts:
            if not isinstance(attempt.outcome, Produces):
                outcome = attempt.outcome
                break
        longest_ms = max(attempt.duration_ms for attempt in attempts)
        return Attempt(longest_ms, outcome, attempts[0].duplicate_after_ms)

    def _alone(self, call: Call) -> Attempt:
        attempts = self._world.kind_of(call.passage.identity).behaviours[call.step]
        return attempts[min(call.attempt, len(attempts)) - 1]

    def produced(self, calls: list[tuple[Call, int]], names: tuple[str, ...]) -> Tensors:
        """What a step puts out for these visits, with the rows that each of them has."""
        blocks = [self._of_one(call, rows, names) for call, rows in calls]
        if len(blocks) == 1:
            return blocks[0]
        return tuple(
            Tensor(
                same[0].name,
                "INT32",
                (sum(each.shape[0] for each in same),),
                b"".join(bytes(each.raw) for each in same),
            )
            for same in zip(*blocks, strict=True)
        )

    def _of_one(self, call: Call, rows: int, names: tuple[str, ...]) -> Tensors:
        return self.made_of(call.passage.identity, call.step, call.tensors, rows, names)

    def made_of(
        self, mine: str, step: str, given_to_it: Tensors, rows: int, names: tuple[str, ...]
    ) -> Tensors:
        """What a step puts out for a request, of what it was given."""
        tokens = self.tokens
        given = []
        for tensor in given_to_it:
            token, of = tokens.read(tensor)
            given.append(f"{tensor.name}={token}" if of == mine else f"{tensor.name}={token}@{of}")
        made_of = ",".join(given)
        return tuple(
            [tokens.tensor(name, f"{step}.{name}({made_of})", mine, rows) for name in names]
        )
