"""Puts routes into force at the gateways of this process, and sees old ones to their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from penstock.core.contracts.model import ModelInstance
from penstock.core.control.background import Background
from penstock.core.control.draining import DrainingPipelines
from penstock.core.errors import PenstockError
from penstock.core.experiments.in_force import InForce
from penstock.core.joinspec import JoinFactories
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plan import Plan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plan.single_model import compile_model
from penstock.core.routing.copy_servers import CopyServers
from penstock.core.routing.route import (
    Copies,
    Door,
    InUse,
    NotReady,
    RouteKey,
    ServedExperiment,
    ServedModel,
    ServedPipeline,
)
from penstock.core.routing.switches import Switches
from penstock.core.routing.table import Shown, Switch

_ORDER: Final = ("copies", "model", "pipeline", "experiment")

Made: TypeAlias = ModelInstance | Plan | ServedExperiment | NotReady | None
"""What a route comes to here; None where it is gone."""

Done: TypeAlias = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


class Switchboard(Switches):
    """What is served here is what the routes say. Doors of others are none of a gateway's concern.

    ``followed`` says whether observers follow requests, ``keeps_state`` whether requests come to
    this process by their keys, so that it may keep state.
    """

    def __init__(
        self,
        models: ModelGateway,
        gateway: PipelineGateway,
        servers: CopyServers,
        joins: JoinFactories,
        metrics: Metrics,
        background: Background,
        *,
        followed: bool,
        keeps_state: bool = False,
    ) -> None:
        super().__init__()
        self._models = models
        self._gateway = gateway
        self._servers = servers
        self._joins = joins
        self._metrics = metrics
        self._background = background
        self._followed = followed
        self._keeps_state = keeps_state
        self._draining = DrainingPipelines(gateway, background)
        self._instances: dict[str, ModelInstance] = {}
        self._plans: dict[str, Plan] = {}
        self._names: set[RouteKey] = set()
        """What requests may name now, whether it serves or not."""
        self._leaving: dict[object, tuple[str, InUse]] = {}

    def in_use(self, epoch: str) -> list[InUse]:
        return [used for of, used in self._leaving.values() if of == epoch]

    async def switch(self, switches: Sequence[Switch]) -> None:
        made = []
        for each in switches:
            if each.key.kind == "door":
                continue
            made.append((each, await self._make(each)))
            await asyncio.sleep(0)  # requests go first
        for each, what in sorted(made, key=_order):
            if each.key.kind == "copies":
                self._switch_copies(each, what)
            elif each.key.kind == "model":
                self._switch_model(each, what)
            elif each.key.kind == "pipeline":
                self._switch_pipeline(each, what)
            elif isinstance(what, ServedExperiment):
                in_force = InForce(what.manifest, what.version, what.weights)
                self._gateway.set_experiment(in_force)
            else:
                # One that cannot be read here is as if it were not there.
                self._gateway.remove("experiment", each.key.name)

    async def _make(self, switch: Switch) -> Made:
        """What is to be in force."""
        if switch.after is None:
            return None
        name, body = switch.key.name, switch.after.route.body
        assert not isinstance(body, Door), "those of others are left out"
        try:
            if isinstance(body, Copies):
                return await self._servers.instance(name, body)
            if isinstance(body, ServedModel):
                return compile_model(name, body.version, self._joins, followed=self._followed)
            if isinstance(body, ServedPipeline):
                return self._compiled(body)
        except PenstockError as error:
            about = {"version": body.version}
            _log.warning("%s cannot be served: %s", switch.key, error, extra=about)
            return NotReady(body.version, error.message)
        return body

    def _compiled(self, body: ServedPipeline) -> Plan | NotReady:
        plan = compile_pipeline(
            body.manifest,
            body.version,
            self._joins,
            record=body.record,
            read=body.read,
            matched=body.matched,
            followed=self._followed,
            partitions=body.partitions,
        )
        keeps_state = plan.keeping or (plan.entrance is not None and plan.entrance.by_key)
        if keeps_state and not self._keeps_state:
            return NotReady(
                body.version,
                "it keeps state across requests, which has to be in one place; call it at the "
                "scheduler",
            )
        return plan

    def _switch_copies(self, switch: Switch, made: Made) -> None:
        name = switch.key.name
        body = None if switch.after is None else switch.after.route.body
        if made is None:
            self._leave(
                switch.before, partial(self._forget_copies, name), f"forgetting model '{name}'"
            )
            return
        before = self._instances.pop(name, None)
        if isinstance(made, ModelInstance) and isinstance(body, Copies):
            self._instances[name] = made
            if made is before:
                return  # it is called by another route from now on
            self._models.publish(name, body.version, made)
        elif isinstance(made, NotReady):
            self._models.withdraw(name, made.reason)
        if before is not None:
            self._leave(switch.before, partial(self._release, before), f"draining model '{name}'")

    async def _forget_copies(self, name: str) -> None:
        """Pipelines that are gone as well may have requests under way that are yet to call it."""
        leaving = self._instances.get(name)
        await self._draining.released(name)
        if self._instances.get(name) is leaving:
            self._instances.pop(name, None)
            self._models.forget(name)
            if leaving is not None:
                await self._release(leaving)
        elif leaving is not None:  # others came in its place
            await self._models.drained(leaving)

    async def _release(self, instance: ModelInstance) -> None:
        await self._models.drained(instance)
        await self._servers.release(instance)

    def _switch_model(self, switch: Switch, made: Made) -> None:
        name, before = switch.key.name, switch.before
        self._serve(switch, made)
        if before is not None and isinstance(before.route.body, ServedModel):
            version = before.route.body.version
            drained = partial(self._model_drained, switch.key, version)
            self._leave(before, drained, f"draining calls of model '{name}'")

    async def _model_drained(self, key: RouteKey, version: int) -> None:
        await self._gateway.drained("model", key.name, version)
        self._tidy(key)

    def _switch_pipeline(self, switch: Switch, made: Made) -> None:
        name = switch.key.name
        before = self._plans.pop(name, None)
        self._serve(switch, made)
        if isinstance(made, Plan):
            self._plans[name] = made
        if before is not None:
            task = self._draining.add(before)
            drained = partial(self._pipeline_drained, switch.key, task)
            self._leave(switch.before, drained, f"draining pipeline '{name}'")

    async def _pipeline_drained(self, key: RouteKey, task: asyncio.Task[None]) -> None:
        await task
        self._tidy(key)

    def _tidy(self, key: RouteKey) -> None:
        """Count nothing more for a name that is gone."""
        if key not in self._names:
            self._metrics.forget(key.name, single_model=key.kind == "model")

    def _serve(self, switch: Switch, made: Made) -> None:
        """Have requests get what is made, if it is anything."""
        kind, name = switch.key
        assert kind != "copies", "that is nothing which requests name"
        assert kind != "door", "that is nothing which requests name"
        body = None if switch.after is None else switch.after.route.body
        self._names.add(switch.key)
        if isinstance(made, Plan) and isinstance(body, ServedModel):
            self._gateway.set_model(made, body.signature)
        elif isinstance(made, Plan) and isinstance(body, ServedPipeline):
            self._gateway.set_pipeline(made, body.signature)
        elif isinstance(made, NotReady):
            self._gateway.set_not_ready(kind, name, made.version, made.reason)
        else:
            self._gateway.remove(kind, name)
            self._names.discard(switch.key)
            if switch.before is not None and not switch.before.route.serves:
                self._tidy(switch.key)

    # What leaves

    def _leave(self, shown: Shown | None, done: Done, what: str) -> None:
        """A route is replaced, and is in use until what ``done`` begins has ended."""
        token = object()
        used = None if shown is None else shown.in_use()
        if shown is not None and used is not None:
            self._leaving[token] = (shown.epoch, used)
        self._background.spawn(self._see_off(token, done), what)

    async def _see_off(self, token: object, done: Done) -> None:
        try:
            await done()
        finally:
            self._leaving.pop(token, None)
            self.on_done()


def _order(made: tuple[Switch, Made]) -> tuple[bool, int]:
    """What is new comes first, copies before what calls them; what goes comes last."""
    switch, _ = made
    return switch.after is None, _ORDER.index(switch.key.kind)
