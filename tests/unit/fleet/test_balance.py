"""Calls spread over copies: to the one with the fewest, and on to the next where one is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from harness.calls import ask, call_with
from harness.instances import Gated, Inline
from penstock.core.contracts.model import ModelCall, ModelInstance
from penstock.core.errors import (
    LostError,
    NotReadyError,
    NotTakenError,
    PenstockError,
    UnreachableError,
)
from penstock.core.fleet import balanced, copies_of
from penstock.core.records import Tensors


class Away(ModelInstance):
    """Nobody is there, which is found out after a while."""

    def __init__(self, error: PenstockError) -> None:
        super().__init__()
        self.error = error
        self.calls = 0

    def infer(self, call: ModelCall) -> Awaitable[Tensors]:
        self.calls += 1
        return self._fail()

    async def _fail(self) -> Tensors:
        await asyncio.sleep(0)
        raise self.error


def here() -> Inline:
    return Inline(lambda call: call.tensors)


def test_one_copy_stands_for_itself() -> None:
    one, other = here(), here()
    assert balanced([one]) is one
    assert copies_of(one) == (one,)
    assert copies_of(balanced([one, other])) == (one, other)


async def test_a_call_goes_where_the_fewest_are() -> None:
    copies = [Gated(), Gated()]
    both = balanced(copies)
    calls = [asyncio.ensure_future(ask(both, call_with(x=1))) for _ in range(3)]
    await asyncio.sleep(0)
    assert [len(copy.calls) for copy in copies] == [2, 1]
    copies[1].answer(())
    await asyncio.sleep(0)
    calls.append(asyncio.ensure_future(ask(both, call_with(x=1))))
    await asyncio.sleep(0)
    assert [len(copy.calls) for copy in copies] == [2, 2]
    for copy, left in zip(copies, (2, 1), strict=True):
        for _ in range(left):
            copy.answer(())
    assert await asyncio.gather(*calls) == [()] * 4


@pytest.mark.parametrize("last", [here(), Gated()], ids=["at once", "later"])
@pytest.mark.parametrize("kind", [UnreachableError, NotTakenError])
async def test_a_call_that_nobody_carried_out_goes_to_the_next(
    last: Inline | Gated, kind: type[PenstockError]
) -> None:
    away = [Away(kind(f"{name} has not done it")) for name in ("one", "two")]
    asked = asyncio.ensure_future(ask(balanced([*away, last]), call_with(x=1)))
    for _ in range(20):
        await asyncio.sleep(0)
    if isinstance(last, Gated):
        last.answer(last.calls[0].tensors)
    assert len(await asked) == 1
    assert [copy.calls for copy in away] == [1, 1]


async def test_when_none_is_reached_the_last_one_says_so() -> None:
    away = [Away(UnreachableError(f"{name} cannot be reached")) for name in ("one", "two")]
    with pytest.raises(UnreachableError, match="two cannot be reached"):
        await ask(balanced(away), call_with(x=1))
    assert [copy.calls for copy in away] == [1, 1]


@pytest.mark.parametrize("error", [LostError("it broke"), NotReadyError("it is not ready")])
async def test_what_may_have_been_carried_out_is_not_sent_again(error: PenstockError) -> None:
    away, other = Away(error), here()
    with pytest.raises(type(error)):
        await ask(balanced([away, other]), call_with(x=1))
    assert other.calls == []


async def test_copies_that_are_away_are_left_out_while_others_are_there() -> None:
    away, other = Away(UnreachableError("it cannot be reached")), here()
    away.available = False
    both = balanced([away, other])
    for _ in range(4):
        await ask(both, call_with(x=1))
    assert away.calls == 0
