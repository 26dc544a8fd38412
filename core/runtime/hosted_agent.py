"""An agent in a process: the server that it has there, and its talk with a scheduler."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from pathlib import Path
from typing import Final
from uuid import uuid4

from penstock.core.agent.agent import Agent, Identity
from penstock.core.agent.copies import AgentCopies
from penstock.core.agent.following import Dial, Following
from penstock.core.agent.known_models import KnownModels
from penstock.core.cases import CaseManifest
from penstock.core.clock import Clock
from penstock.core.config import unix_path
from penstock.core.config.sections import AgentSection
from penstock.core.contracts.model import ExplainerLoader, ServerAdapter
from penstock.core.control.background import Background
from penstock.core.control.model_files import ModelFiles
from penstock.core.errors import PenstockError, UnsupportedError
from penstock.core.runtime.artifact_cache import open_cache
from penstock.core.runtime.closing import Closing
from penstock.core.runtime.doors import reached_at
from penstock.core.runtime.parts import Parts
from penstock.core.runtime.unless import unless
from penstock.core.runtime.work_folder import make_work_folder

MEASURED_EVERY_S: Final = 5.0

_log = logging.getLogger(__name__)


class HostedAgent:
    """What is opened for it is closed by ``closing``. Comes to be in two steps: it is called at an
    address that may not be known before its server is there."""

    def __init__(self, section: AgentSection, clock: Clock, closing: Closing) -> None:
        self._section = section
        self._clock = clock
        self._closing = closing
        self._background = Background()
        self._server: ServerAdapter | None = None
        self._loader: KnownModels | None = None
        self._begun: tuple[Following, asyncio.Task[None]]
        self._agent: Agent | None = None

    async def start_server(self, parts: Parts, explainers: ExplainerLoader | None = None) -> None:
        """Start the server, which is among the parts. Raises what that raises. It may have
        ``explainers`` where the process has a gateway."""
        section, closing = self._section, self._closing
        self._loader = KnownModels(
            list(parts.storages.values()),
            self._background,
            work_folder=await make_work_folder(closing),
            module_folders=(Path.cwd(),),
            cache=open_cache(section.cache, closing),
        )
        server = parts.servers[section.server]
        server.use_clock(self._clock)
        server.use_loaders(parts.loaders)
        if explainers is not None:
            server.use_explainers(explainers)
        server.use_name(section.name or section.server)
        await server.start()
        closing.add(f"server '{section.server}'", server.stop)
        self._server = server

    def begin(
        self,
        parts: Parts,
        copies: AgentCopies,
        identity: Identity,
        scheduler: str,
        dial: Dial,
    ) -> None:
        """Follow a scheduler: ``scheduler`` is what it is called, ``dial`` begins a talk."""
        assert self._server is not None, "start_server() comes first"
        assert self._loader is not None, "start_server() comes first"
        storages = list(parts.storages.values())
        agent = Agent(
            identity,
            self._server,
            self._loader,
            ModelFiles(parts.servers, storages, (Path.cwd(),)),
            copies,
            self._background,
            self._clock,
            parts.eviction,
        )
        self._closing.add("the models", agent.close)
        self._closing.add("the tasks of the agent", self._background.close)
        self._background.spawn(agent.measure(MEASURED_EVERY_S), "measuring memory")
        self._agent = agent
        following = Following(agent, scheduler, dial)
        talk = self._background.spawn(following.run(), f"following {scheduler}")
        self._begun = following, talk

    def manifest(self, kind: str, name: str) -> CaseManifest | None:
        """The manifest of a model that was loaded here, None of all else."""
        return None if self._loader is None else self._loader.manifest(kind, name)

    async def taken_in(self) -> None:
        """Return when a scheduler has taken the agent in. Raises the error with which one refused
        it from the first on."""
        following, talk = self._begun
        await _set_before(talk, following.welcomed)

    async def dismissed(self) -> None:
        """Return when the scheduler needs this agent no more. Raises as :meth:`taken_in`."""
        assert self._agent is not None, "begin() comes first"
        await _set_before(self._begun[1], self._agent.dismissed)

    async def until_dismissed(self) -> None:
        """Be an agent for as long as the scheduler needs it; other roles of the process go on."""
        try:
            await self.dismissed()
        except PenstockError as error:
            _log.error("this process is no agent: %s", error)
            return
        assert self._agent is not None, "it has begun"
        if self._agent.dismissed.is_set() and not self._agent.leaving:
            _log.warning("agent '%s' is needed no more; other roles go on", self._agent.name)
            self.end_talk()

    def end_talk(self) -> None:
        """Follow no more, whatever is loaded."""
        if self._agent is not None:
            self._begun[1].cancel()

    async def leave(self, grace_s: float, forced: asyncio.Event) -> float:
        """Have models go elsewhere, for ``grace_s`` or until ``forced`` is set; the seconds that
        are left of that."""
        if self._agent is None:
            return grace_s
        loop = asyncio.get_running_loop()
        end_s = loop.time() + grace_s
        self._agent.leave()
        try:
            async with asyncio.timeout_at(end_s):
                await unless(forced, self._agent.dismissed.wait())
        except TimeoutError:
            _log.warning("the scheduler has not moved all models; the agent stops all the same")
        return max(end_s - loop.time(), 0.0)


def identity_by(section: AgentSection, address: str, rest: str = "") -> Identity:
    """Who an agent is that is called at ``address``, and at ``rest`` by the names and versions of
    its models, as the configuration says."""
    return Identity(
        section.name or section.server,
        section.number,
        uuid4().hex,
        f"{socket.gethostname()}, process {os.getpid()}",
        section.server,
        address,
        section.memory,
        rest,
        section.zone,
    )


def called_at(address: str | None, host: str | None) -> str:
    """Where others call the models of an agent that answers over gRPC at ``address``; without a
    host where that is known by who is called. Raises UnsupportedError where it does not answer."""
    if address is None:
        raise UnsupportedError(
            "an agent is called over gRPC, and the plug-in 'grpc' is not in use; take it out "
            "of plugins.disable"
        )
    if unix_path(address) is not None:
        return address
    return reached_at(address, "grpc", host)


async def _set_before(talk: asyncio.Task[None], event: asyncio.Event) -> None:
    """Return when the event is set, or the talk has ended. Raises what that has ended with."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait((talk, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if talk.done() and not talk.cancelled():
        talk.result()
