"""Work on many things, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def in_lanes(lanes: int, things: Iterable[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """What ``work`` returns of each thing, in their order; ``lanes`` are worked on at a time.

    A thing is taken when a lane is free for it, so it may be made only then. The first that fails
    ends the others, and is raised.
    """
    numbers = count()
    results: dict[int, R] = {}
    waiting = iter(things)

    async def lane() -> None:
        for thing in waiting:
            number = next(numbers)
            results[number] = await work(thing)
            del thing  # before the next is made: they may be large
            # Who waits for what is free now has it first as well; and of what is done at once,
            # other requests have their turn.
            await asyncio.sleep(0)

    if lanes == 1:
        await lane()  # a task would cost more than it does
    else:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(lanes):
                    group.create_task(lane())
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
    return [results[number] for number in range(len(results))]
