"""An agent's talk with its scheduler: begun again whenever it breaks off."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import grpc

from penstock.core.agent.agent import Agent
from penstock.core.agent.line import Line, heard
from penstock.core.client.remote_server import RemoteServer
from penstock.core.client.routes import OPTIONS
from penstock.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    LostError,
    NotReadyError,
    PenstockError,
    UnauthenticatedError,
    UnsupportedError,
)
from penstock.core.grpc_errors import error_of_call, own_error
from penstock.proto import agent_pb2 as pb
from penstock.proto.agent_pb2_grpc import AgentStub

Dial: TypeAlias = Callable[[AsyncIterator[pb.FromAgent]], AsyncIterator[pb.ToAgent]]
"""Begins a talk: what the agent says in, what the scheduler says out. Raises PenstockError."""

FIRST_ANSWER_S: Final = 10.0
"""How long a scheduler may take to answer a registration."""

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
"""Between two tries: a scheduler that is back waits for its agents, and not for long."""

MOST_REFUSALS: Final = 10
"""After so many an agent that never was taken in gives up: the one that has its number may have
been on its way out."""

REFUSALS: Final = (
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    UnauthenticatedError,
    UnsupportedError,
)
"""What trying again does not help against, usually."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pauses:
    """Between tries: ``sleep`` waits (seconds), ``jitter`` gives numbers from 0 to 1."""

    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random

    async def wait(self, attempt: int) -> None:
        """Wait after the attempt of that number, from 0."""
        longest = min(FIRST_PAUSE_S * 2.0 ** min(attempt, 30), LONGEST_PAUSE_S)
        await self.sleep(longest * (0.5 + self.jitter() / 2.0))


class Following:
    """Keeps an agent in touch with a scheduler, called ``who`` in logs."""

    def __init__(self, agent: Agent, who: str, dial: Dial, pauses: Pauses | None = None) -> None:
        self._agent = agent
        self._who = who
        self._dial = dial
        self._pauses = pauses or Pauses()
        self._welcomes = 0
        self.welcomed = asyncio.Event()
        """Set when a scheduler has taken the agent in for the first time."""

    async def run(self) -> None:
        """Follow until the agent leaves. Raises the error with which a scheduler has refused the
        agent from the first on."""
        attempt, refusals = 0, 0
        while not self._agent.leaving:
            welcomes, said = self._welcomes, "it has ended the talk"
            try:
                await self._talk()
            except REFUSALS as error:
                refusals += 1
                if not self._welcomes and refusals == MOST_REFUSALS:
                    raise
                said = error.message
            except PenstockError as error:
                said = error.message
            except Exception as error:
                _log.exception("the talk with %s broke off for no reason that is known", self._who)
                said = str(error)
            if self._welcomes > welcomes:
                attempt = 0
            if not self._agent.leaving:
                level = logging.DEBUG if attempt else logging.WARNING
                _log.log(level, "%s is away, and is looked for again: %s", self._who, said)
                await self._pauses.wait(attempt)
            attempt += 1

    async def _talk(self) -> None:
        """One talk, to its end. Raises PenstockError where it did not end in peace."""
        agent, line = self._agent, Line[pb.FromAgent]()
        line.say(pb.FromAgent(register=agent.registration()))
        answers = self._dial(line.messages())
        beating: asyncio.Task[None] | None = None
        try:
            welcome = await self._welcome(answers)
            self._welcomes += 1
            self.welcomed.set()
            agent.welcomed(welcome, line.say)
            beating = asyncio.create_task(line.beat(welcome.beat_ms / 1000.0, agent.sign_of_life))
            async for command in heard(answers, welcome.silence_ms / 1000.0, self._who):
                agent.obey(command)
        finally:
            if beating is not None:
                beating.cancel()
            line.close()
            agent.parted()

    async def _welcome(self, answers: AsyncIterator[pb.ToAgent]) -> pb.Welcome:
        async for message in heard(answers, FIRST_ANSWER_S, self._who):
            if message.HasField("welcome"):
                return message.welcome
            break
        raise LostError(f"{self._who} did not take the agent in")


def dial_of(scheduler: RemoteServer) -> Dial:
    """How a scheduler is reached."""

    async def dial(said: AsyncIterator[pb.FromAgent]) -> AsyncIterator[pb.ToAgent]:
        async with scheduler.channel(OPTIONS) as channel:
            call = AgentStub(channel).Follow(said, metadata=tuple(scheduler.headers().items()))
            try:
                async for message in call:
                    yield message
            except grpc.aio.AioRpcError as error:
                raise _why(error, scheduler.place) from error
            finally:
                call.cancel()

    return dial


def _why(error: grpc.aio.AioRpcError, place: str) -> PenstockError:
    """What an agent's user can do about the end of a talk."""
    own = own_error(error)
    if isinstance(own, UnauthenticatedError | ForbiddenError):
        return type(own)(
            f"the scheduler at {place} does not let the agent in: {own}; an agent takes its token "
            "from agent.token in its configuration file"
        )
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return UnsupportedError(
            f"the process at {place} is no scheduler; start one with penstock run scheduler, or "
            "name another with --scheduler"
        )
    if own is None and error.code() is grpc.StatusCode.UNAVAILABLE:
        return NotReadyError(f"nobody answers at {place} ({error.details()})")
    return error_of_call(error, place)
