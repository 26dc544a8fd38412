"""Calls of one model spread over its copies on several replicas."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Sequence
from inspect import isawaitable
from typing import Final

from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.errors import NotTakenError, PenstockError, UnreachableError
from penstock.core.records import Tensors

_NOT_DONE: Final = (NotTakenError, UnreachableError)
"""Nobody has done anything of a call that ends so."""


def balanced(instances: Sequence[ModelInstance]) -> ModelInstance:
    """One instance that stands for all of them: the one there is, or one that spreads calls."""
    return instances[0] if len(instances) == 1 else BalancedInstance(instances)


def copies_of(instance: ModelInstance) -> tuple[ModelInstance, ...]:
    """The copies for which :func:`balanced` made ``instance`` stand."""
    return instance.copies if isinstance(instance, BalancedInstance) else (instance,)


class BalancedInstance(ModelInstance):
    """Calls go to the copy that is available and has the fewest under way; to the next in turn
    where several have. A call that could not be sent to one goes to the next, since nobody has
    carried it out; so does one that was not taken in: a worker that has just been started again
    answers before all know that its copies are gone, and one that ends refuses what comes late.

    Closing it leaves the copies alone: they belong to who loaded them.
    """

    __slots__ = ("_instances", "_next", "_under_way")

    def __init__(self, instances: Sequence[ModelInstance]) -> None:
        super().__init__(instances[0].signature)
        self.own_object = instances[0].own_object
        self._instances = tuple(instances)
        self._under_way = [0] * len(instances)
        self._next = 0

    @property
    def copies(self) -> tuple[ModelInstance, ...]:
        """Those that calls go to."""
        return self._instances

    def infer(self, call: ModelCall) -> Tensors | Awaitable[Tensors]:
        index = self._choose()
        answer = self._instances[index].infer(call)
        if not isawaitable(answer):
            return answer
        self._under_way[index] += 1
        return self._answered(call, index, answer)

    def _choose(self, tried: Collection[int] = ()) -> int:
        """The copy to call. When none is available, each says itself why."""
        instances, under_way = self._instances, self._under_way
        count = len(instances)
        start = self._next
        self._next = (start + 1) % count
        turns = [(start + turn) % count for turn in range(count)]
        if tried:
            turns = [index for index in turns if index not in tried]
        there = [index for index in turns if instances[index].available] or turns
        return min(there, key=under_way.__getitem__)

    async def _answered(self, call: ModelCall, index: int, answer: Awaitable[Tensors]) -> Tensors:
        try:
            return await self._counted(index, answer)
        except _NOT_DONE as error:
            return await self._elsewhere(call, index, error)

    async def _elsewhere(self, call: ModelCall, index: int, error: PenstockError) -> Tensors:
        """Call the copies that were not tried, one after the other, while none is reached."""
        tried = [index]
        while len(tried) < len(self._instances):
            index = self._choose(tried)
            tried.append(index)
            try:
                answer = self._instances[index].infer(call)
                if not isawaitable(answer):
                    return answer
                self._under_way[index] += 1
                return await self._counted(index, answer)
            except _NOT_DONE as another:
                error = another
        raise error

    async def _counted(self, index: int, answer: Awaitable[Tensors]) -> Tensors:
        try:
            return await answer
        finally:
            self._under_way[index] -= 1
