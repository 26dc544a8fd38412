"""Calls of one model spread over its copies on several replicas."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from inspect import isawaitable

from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.records import Tensors


def balanced(instances: Sequence[ModelInstance]) -> ModelInstance:
    """One instance that stands for all of them: the one there is, or one that spreads calls."""
    return instances[0] if len(instances) == 1 else BalancedInstance(instances)


class BalancedInstance(ModelInstance):
    """Calls go to the copy that is available and has the fewest under way; to the next in turn
    where several have.

    Closing it leaves the copies alone: they belong to who loaded them.
    """

    __slots__ = ("_instances", "_next", "_under_way")

    def __init__(self, instances: Sequence[ModelInstance]) -> None:
        super().__init__(instances[0].signature)
        self._instances = tuple(instances)
        self._under_way = [0] * len(instances)
        self._next = 0

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        index = self._choose()
        answer = self._instances[index].infer(call)
        if not isawaitable(answer):
            return answer
        self._under_way[index] += 1
        return self._counted(index, answer)

    def _choose(self) -> int:
        """The copy to call. When none is available, each says itself why."""
        instances, under_way = self._instances, self._under_way
        count = len(instances)
        start = self._next
        self._next = (start + 1) % count
        turns = [(start + turn) % count for turn in range(count)]
        there = [index for index in turns if instances[index].available] or turns
        return min(there, key=under_way.__getitem__)

    async def _counted(self, index: int, answer: Awaitable[Tensors]) -> Tensors:
        try:
            return await answer
        finally:
            self._under_way[index] -= 1
