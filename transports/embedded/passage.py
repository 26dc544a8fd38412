"""What all requests share that are passed on over REST."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Final

from penstock.core.clock import Clock
from penstock.core.contracts.balancer import BalancedRequest
from penstock.core.contracts.forwarder import ForwarderContext
from penstock.core.forwarding.budget import RetryBudget
from penstock.core.forwarding.fork import Arm, Fork
from penstock.core.forwarding.table import ForwardingTable
from penstock.transports.embedded.request_head import RequestHead

MOST_COPIES: Final = 256
"""Copies of requests under way at once; further ones are left out."""

MOST_HELD_BYTES: Final = 64 * 1024 * 1024
"""Of bodies that are held for copies, over all requests."""


class Passage:
    """``draining`` is set when callers are told to go elsewhere."""

    def __init__(
        self, table: ForwardingTable, context: ForwarderContext, clock: Clock, random: Random
    ) -> None:
        self.table = table
        self.context = context
        self.policy = context.policy
        self.now_ms: Callable[[], float] = clock.now_ms
        self.random: Callable[[], float] = random.random
        self.budget = RetryBudget()
        self.call_later = asyncio.get_running_loop().call_later
        self.draining = False
        self.copies = 0
        self.held_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def route(self, head: RequestHead) -> tuple[Fork | None, Arm | None]:
        """The way of a request, and the arm of it that is taken; None for gateways. Hot."""
        fork = self.table.fork(head.name)
        if fork is None:
            return None, None
        arm = fork.choose(head.trails, self.random())
        if head.version and head.version != arm.pool.version:
            return None, None
        return fork, arm

    def balanced(self, head: RequestHead) -> BalancedRequest:
        """What a balancer is told of a request."""
        return BalancedRequest(head.headers, self.context.zone)

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Have a task run, which ends with the forwarder at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def cancel_all(self) -> None:
        """End every task."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
