"""What all requests share that are passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from random import Random
from typing import Final, Protocol

from penstock.core.clock import Clock
from penstock.core.contracts.balancer import BalancedRequest
from penstock.core.contracts.forwarder import Forwarded, ForwarderContext
from penstock.core.forwarding.budget import RetryBudget
from penstock.core.forwarding.fork import Arm, Fork
from penstock.core.forwarding.pool import Pool
from penstock.core.forwarding.seat import Seat
from penstock.core.forwarding.table import ForwardingTable

MOST_COPIES: Final = 256
"""Copies of requests under way at once; further ones are left out."""

MOST_HELD_BYTES: Final = 64 * 1024 * 1024
"""Of bodies that are held for copies, over all requests."""


class Asked(Protocol):
    """What a request says of where it goes."""

    @property
    def name(self) -> str:
        """What it is for, empty where gateways find that out."""

    @property
    def version(self) -> str:
        """The version that it names, if it does."""

    @property
    def trail(self) -> str | None:
        """The way that it asks to take again."""

    @property
    def strict(self) -> bool:
        """Whether it takes no other."""


class Passage:
    """``draining`` is set when callers are told to go elsewhere, ``ended`` when nothing begins."""

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
        self.ended = False
        self.copies = 0
        self.held_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def route(self, asked: Asked) -> tuple[Fork | None, Arm | None]:
        """The way of a request, and the arm of it that is taken; None for gateways. Hot.

        They know each version, and what to say to who wants a way that is not there.
        """
        fork = self.table.fork(asked.name)
        if fork is None:
            return None, None
        arm = fork.choose(asked.trail, self.random())
        if asked.version and asked.version != arm.pool.version:
            return None, None
        if asked.strict and asked.trail and not fork.leads_to(asked.trail):
            return None, None
        return fork, arm

    def begin(self, pool: Pool) -> None:
        """A request is under way to ``pool``. Hot."""
        pool.under_way += 1
        self.budget.earn()

    def pick(
        self, pool: Pool, headers: Mapping[bytes, bytes], tried: Collection[Seat]
    ) -> Seat | None:
        """Who is asked next; raises as :meth:`Pool.pick`. Hot."""
        request = BalancedRequest(headers, self.context.zone)
        return pool.pick(request, self.random(), self.now_ms(), tried)

    def count(self, fork: Fork, arm: Arm, took_ms: float, fault: bool | None) -> None:
        """Say what became of a request, where an experiment has sent it: whether its arm was at
        fault, None where that says nothing of it."""
        if fork.experiment and fault is not None:
            self.context.count(
                Forwarded(fork.experiment, fork.version, arm.share.arm, fault, took_ms)
            )

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Have a task run, which ends with the forwarder at the latest."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def cancel_all(self) -> None:
        """End every task."""
        self.ended = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
