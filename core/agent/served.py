"""The copies that an agent answers for over V2, by the names that they have there."""

from __future__ import annotations

from penstock.core.agent.copies import AgentCopies
from penstock.core.call_counter import CallCounter, added
from penstock.core.clock import Clock
from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.model import ModelInstance
from penstock.core.joinspec import JoinFactories
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plan.single_model import compile_model


class ServedCopies(AgentCopies):
    """Puts copies before the gateway of the process, and takes them away when nobody calls."""

    def __init__(
        self,
        models: ModelGateway,
        gateway: PipelineGateway,
        metrics: Metrics,
        joins: JoinFactories,
        clock: Clock,
        *,
        followed: bool,
    ) -> None:
        self._models = models
        self._gateway = gateway
        self._metrics = metrics
        self._joins = joins
        self._followed = followed
        self._counter = CallCounter(metrics, models, clock)

    def put(self, name: str, version: int, instance: ModelInstance) -> None:
        self._models.publish(name, version, instance)
        plan = compile_model(name, version, self._joins, followed=self._followed)
        self._gateway.set_model(plan, instance.signature)

    def calls(self, name: str, model: str) -> CallFigures | None:
        # Those that ask for the model by its own name are counted by that.
        figures = self._counter.figures({name, model}, 0.0)
        return figures[name] if name == model else added(figures[name], figures[model])

    def answer_as(self, name: str, model: str, version: int) -> None:
        self._gateway.answer_as(
            name, compile_model(model, version, self._joins, followed=self._followed)
        )

    async def take_away(self, name: str, version: int, instance: ModelInstance) -> None:
        await self._gateway.answer_no_more(name)
        self._gateway.remove("model", name)
        await self._gateway.drained("model", name, version)
        self._models.withdraw(name, "it is unloaded")
        await self._models.drained(instance)
        self._models.forget(name)
        self._metrics.forget(name, single_model=True)
