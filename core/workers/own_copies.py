"""The copies of models that a worker has itself, which it calls without leaving the process."""

from __future__ import annotations

from penstock.core.agent.served import ServedCopies
from penstock.core.contracts.model import CopyPlace, ModelInstance
from penstock.core.joinspec import JoinFactories
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.routing.copy_servers import CopyServers, MakeServer
from penstock.core.routing.route import Copies


class OwnCopies(ServedCopies):
    """What the agent of this process has, which others call at ``address``."""

    def __init__(
        self,
        address: str,
        models: ModelGateway,
        gateway: PipelineGateway,
        metrics: Metrics,
        joins: JoinFactories,
    ) -> None:
        super().__init__(models, gateway, metrics, joins, followed=False)
        self._address = address
        self._instances: dict[str, ModelInstance] = {}

    def put(self, name: str, version: int, instance: ModelInstance) -> None:
        super().put(name, version, instance)
        self._instances[name] = instance

    async def take_away(self, name: str, version: int, instance: ModelInstance) -> None:
        self._instances.pop(name, None)
        await super().take_away(name, version, instance)

    def find(self, place: CopyPlace) -> ModelInstance | None:
        """The copy at a place, where that is here."""
        return self._instances.get(place.model) if place.address == self._address else None


class NearestCopies(CopyServers):
    """Calls the copy of this process where there is one, and those elsewhere where there is
    none."""

    def __init__(self, make: MakeServer, here: str, own: OwnCopies) -> None:
        super().__init__(make, here)
        self._own = own
        self._called: set[ModelInstance] = set()

    async def instance(self, model: str, copies: Copies) -> ModelInstance:
        for place in copies.places:
            own = self._own.find(place)
            if own is not None:
                self._called.add(own)
                return own
        return await super().instance(model, copies)

    async def release(self, instance: ModelInstance) -> None:
        if instance in self._called:
            self._called.discard(instance)  # its agent unloads it
        else:
            await super().release(instance)
