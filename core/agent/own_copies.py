"""The copies of models that a process has itself, which it calls without leaving the process."""

from __future__ import annotations

from penstock.core.agent.copies import AgentCopies
from penstock.core.call_counter import CallCounter, added
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.model import CopyPlace, ModelInstance, ModelSpec, ServerAdapter
from penstock.core.control.agents.server import REMOTE_MODEL
from penstock.core.routing.copy_servers import CopyServers, MakeServer
from penstock.core.routing.route import Copies


class OwnCopies(AgentCopies):
    """What the agent of this process has. Others call it at ``address``, where ``served`` answers
    them; where there is none, they call the scheduler in this process."""

    def __init__(self, address: str = "", served: AgentCopies | None = None) -> None:
        self.address = address
        self._served = served
        self._instances: dict[str, ModelInstance] = {}
        self._counter: CallCounter | None = None

    def count_with(self, counter: CallCounter) -> None:
        """``counter`` counts the calls of models that this process makes; those of a model that it
        has a copy of go to that copy."""
        self._counter = counter

    def put(self, name: str, version: int, instance: ModelInstance) -> None:
        if self._served is not None:
            self._served.put(name, version, instance)
        self._instances[name] = instance

    def calls(self, name: str, model: str) -> CallFigures | None:
        others = None if self._served is None else self._served.calls(name, model)
        if others is None or self._counter is None:
            return others
        return added(others, self._counter.figures({model}, 0.0)[model])

    def answer_as(self, name: str, model: str, version: int) -> None:
        if self._served is not None:
            self._served.answer_as(name, model, version)

    async def take_away(self, name: str, version: int, instance: ModelInstance) -> None:
        self._instances.pop(name, None)
        if self._served is not None:
            await self._served.take_away(name, version, instance)

    def at(self, place: CopyPlace) -> ModelInstance | None:
        """The copy at a place, where that is here."""
        return self._instances.get(place.model) if place.address == self.address else None

    def named(self, name: str) -> ModelInstance:
        """The copy of that name, which is here."""
        return self._instances[name]


class NearestCopies(CopyServers):
    """Calls the copy of this process where there is one, and those elsewhere where there is
    none."""

    def __init__(self, make: MakeServer, here: str, own: OwnCopies) -> None:
        super().__init__(make, here)
        self._own = own
        self._called: set[ModelInstance] = set()

    async def instance(self, model: str, copies: Copies) -> ModelInstance:
        for place in copies.places:
            own = self._own.at(place)
            if own is not None:
                self._called.add(own)
                return own
        return await super().instance(model, copies)

    async def release(self, instance: ModelInstance) -> None:
        if instance in self._called:
            self._called.discard(instance)  # its agent unloads it
        else:
            await super().release(instance)


class OwnCopiesServer(ServerAdapter):
    """How the scheduler of this process calls the copies, which are there when it hears of them."""

    def __init__(self, own: OwnCopies) -> None:
        self._own = own

    async def start(self) -> None:
        """It is this process."""

    def capabilities(self) -> frozenset[str]:
        return frozenset()

    async def load(self, spec: ModelSpec) -> ModelInstance:
        return self._own.named(spec.parameters[REMOTE_MODEL])

    async def unload(self, instance: ModelInstance) -> None:
        """Its agent unloads it."""

    async def stop(self) -> None:
        """The agent goes with the process."""
