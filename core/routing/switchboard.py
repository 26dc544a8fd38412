"""Puts routes into force at the gateways of this process, and sees old ones to their end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from penstock.core.contracts.gateway import TargetKind
from penstock.core.contracts.model import ModelInstance
from penstock.core.control.background import Background
from penstock.core.control.draining import DrainingPipelines
from penstock.core.errors import PenstockError
from penstock.core.joinspec import JoinFactories
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import PipelineGateway
from penstock.core.plan import Plan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plan.single_model import compile_model
from penstock.core.routing.copy_servers import CopyServers
from penstock.core.routing.route import (
    Copies,
    InUse,
    NotReady,
    ServedModel,
    ServedPipeline,
)
from penstock.core.routing.table import Shown, Switch

_ORDER: Final = ("copies", "model", "pipeline", "experiment")

_log = logging.getLogger(__name__)


class Switchboard:
    """What is served here is what the routes say.

    ``followed`` says whether observers follow requests.
    """

    def __init__(
        self,
        models: ModelGateway,
        gateway: PipelineGateway,
        servers: CopyServers,
        joins: JoinFactories,
        background: Background,
        *,
        followed: bool,
    ) -> None:
        self._models = models
        self._gateway = gateway
        self._servers = servers
        self._joins = joins
        self._background = background
        self._followed = followed
        self.on_done: Callable[[], None] = _nobody
        """Called when something that was replaced has nothing under way any more."""
        self._draining = DrainingPipelines(gateway, background)
        self._instances: dict[str, ModelInstance] = {}
        self._plans: dict[str, Plan] = {}
        self._leaving: dict[object, tuple[str, InUse]] = {}

    def in_use(self, epoch: str) -> list[InUse]:
        """Routes of a scheduler's process that were replaced and have something under way."""
        return [used for of, used in self._leaving.values() if of == epoch]

    async def switch(self, switches: Sequence[Switch]) -> None:
        """Put these routes into force, all at once for requests."""
        made = {each.key: await self._made(each) for each in switches}
        for each in sorted(switches, key=_order):
            if each.key.kind == "copies":
                self._switch_copies(each, made[each.key])
            elif each.key.kind == "model":
                self._switch_model(each)
            elif each.key.kind == "pipeline":
                self._switch_pipeline(each)

    async def _made(self, switch: Switch) -> ModelInstance | str:
        """What calls the copies of a route, or why there are none."""
        body = None if switch.after is None else switch.after.route.body
        if isinstance(body, NotReady):
            return body.reason
        if not isinstance(body, Copies):
            return "it was deleted"
        try:
            return await self._servers.instance(switch.key.name, body)
        except PenstockError as error:
            return error.message

    # Models

    def _switch_copies(self, switch: Switch, made: ModelInstance | str) -> None:
        name, after = switch.key.name, switch.after
        if after is None:
            self._leave(switch.before, self._forget_copies(name), f"forgetting model '{name}'")
            return
        before = self._instances.pop(name, None)
        if isinstance(made, str):
            self._models.withdraw(name, made)
        elif isinstance(after.route.body, Copies):
            self._instances[name] = made
            self._models.publish(name, after.route.body.version, made)
        if before is not None:
            self._leave(switch.before, self._release(before), f"draining model '{name}'")

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

    def _switch_model(self, switch: Switch) -> None:
        name, before = switch.key.name, switch.before
        body = None if switch.after is None else switch.after.route.body
        if isinstance(body, ServedModel):
            plan = compile_model(name, body.version, self._joins, followed=self._followed)
            self._gateway.set_model(plan, body.signature)
        else:
            self._stop_serving("model", name, body)
        if before is not None and isinstance(before.route.body, ServedModel):
            drained = self._gateway.drained("model", name, before.route.body.version)
            self._leave(before, drained, f"draining calls of model '{name}'")

    # Pipelines

    def _switch_pipeline(self, switch: Switch) -> None:
        name = switch.key.name
        body = None if switch.after is None else switch.after.route.body
        before = self._plans.pop(name, None)
        if isinstance(body, ServedPipeline):
            body = self._serve(name, body)
        if not isinstance(body, ServedPipeline):
            self._stop_serving("pipeline", name, body)
        if before is not None:
            task = self._draining.add(before)
            self._leave(switch.before, _ended(task), f"draining pipeline '{name}'")

    def _serve(self, name: str, body: ServedPipeline) -> ServedPipeline | NotReady:
        """Serve a pipeline, or say why that cannot be here."""
        try:
            plan = compile_pipeline(
                body.manifest,
                body.version,
                self._joins,
                record=body.record,
                read=body.read,
                followed=self._followed,
            )
        except PenstockError as error:
            _log.warning("%s", error, extra={"pipeline": name, "version": body.version})
            return NotReady(body.version, error.message)
        if plan.keeping or (plan.entrance is not None and plan.entrance.by_key):
            return NotReady(
                body.version,
                "it keeps state across requests, which has to be in one place; call it at the "
                "scheduler",
            )
        self._plans[name] = plan
        self._gateway.set_pipeline(plan, body.signature)
        return body

    def _stop_serving(self, kind: TargetKind, name: str, body: object) -> None:
        if isinstance(body, NotReady):
            self._gateway.set_not_ready(kind, name, body.version, body.reason)
        else:
            self._gateway.remove(kind, name)

    # What leaves

    def _leave(self, shown: Shown | None, done: Awaitable[None], what: str) -> None:
        """A route is replaced, and is in use until ``done``."""
        token = object()
        used = None if shown is None else shown.in_use()
        if shown is not None and used is not None:
            self._leaving[token] = (shown.epoch, used)
        self._background.spawn(self._see_off(token, done), what)

    async def _see_off(self, token: object, done: Awaitable[None]) -> None:
        try:
            await done
        finally:
            self._leaving.pop(token, None)
            self.on_done()


def _nobody() -> None:
    """Where nobody waits."""


async def _ended(task: Awaitable[None]) -> None:
    await task


def _order(switch: Switch) -> tuple[bool, int]:
    """What is new comes first, copies before what calls them; what goes comes last."""
    return switch.after is None, _ORDER.index(switch.key.kind)
