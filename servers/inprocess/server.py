"""The server adapter ``inprocess``: models that are loaded and called in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.explainer import CAPABILITY
from penstock.core.contracts.model import (
    ExplainerLoader,
    Loader,
    ModelInstance,
    ModelSpec,
    ServerAdapter,
)
from penstock.core.errors import UnsupportedError
from penstock.core.own_thread import in_own_thread
from penstock.core.signature import Signature
from penstock.servers.binding.agreement import agree, served_signature
from penstock.servers.binding.bound_model import BoundModel, OwnLoopWorker
from penstock.servers.binding.loading import load_model
from penstock.servers.binding.predictor import predictor_of
from penstock.servers.binding.worker import Worker
from penstock.servers.inprocess.async_instance import AsyncInstance
from penstock.servers.inprocess.auto_instance import AutoInstance
from penstock.servers.inprocess.inline_instance import InlineInstance
from penstock.servers.inprocess.interruptions import (
    Interruptions,
    ThreadClock,
    full_collections,
    stolen_s,
)
from penstock.servers.inprocess.options import InProcessOptions
from penstock.servers.inprocess.thread_instance import ThreadInstance
from penstock.servers.inprocess.waiting import Patience
from penstock.servers.loader_choice import choose_loader
from penstock.servers.processes.worker import WorkerProcess

_log = logging.getLogger(__name__)


class InProcessServer(ServerAdapter):
    """Loads models with the loaders of plug-ins, and calls them as their ``execution`` says.

    A model's threads or processes are its own: one that blocks or hangs takes nothing from
    another. ``clock`` is the one that deadlines of calls are in.
    """

    def __init__(
        self, options: InProcessOptions | None = None, *, clock: Clock | None = None
    ) -> None:
        self._options = options or InProcessOptions()
        self._clock = clock or SystemClock()
        self._loaders: Mapping[str, Loader] = {}
        self._explainers: ExplainerLoader | None = None
        self._instances: set[ModelInstance] = set()
        self._thread_clock = ThreadClock()
        self._interruptions = Interruptions(self._thread_clock, full_collections, stolen_s)

    def use_clock(self, clock: Clock) -> None:
        self._clock = clock

    def use_loaders(self, loaders: Mapping[str, Loader]) -> None:
        self._loaders = dict(loaders)

    def use_explainers(self, explainers: ExplainerLoader) -> None:
        self._explainers = explainers

    async def start(self) -> None:
        """Models bring their own threads and processes."""
        self._thread_clock.open()
        self._interruptions.start()

    def capabilities(self) -> frozenset[str]:
        own = frozenset() if self._explainers is None else frozenset((CAPABILITY,))
        return own.union(*(loader.capabilities() for loader in self._loaders.values()))

    def signature(self, spec: ModelSpec) -> Signature | None:
        if spec.explains is not None or (spec.python is None and spec.artifacts is None):
            return spec.signature  # what it explains or the artifacts tell more, and are not here
        definition = choose_loader(spec, self._loaders).definition(spec)
        if definition is None:
            return spec.signature
        return served_signature(definition, agree(predictor_of(definition), spec.signature))

    def source_files(self, spec: ModelSpec) -> Sequence[Path]:
        if spec.python is None:
            return ()  # the artifacts say which loader it is, and are not here
        return choose_loader(spec, self._loaders).source_files(spec)

    async def load(self, spec: ModelSpec) -> ModelInstance:
        if spec.explains is not None:
            instance = await self._explainer(spec)
        elif spec.execution == "process":
            instance = await self._in_processes(spec)
        else:
            instance = await self._in_this_process(spec)
        self._instances.add(instance)
        return instance

    async def unload(self, instance: ModelInstance) -> None:
        self._instances.discard(instance)
        await instance.close()

    async def stop(self) -> None:
        instances, self._instances = self._instances, set()
        await asyncio.gather(*(instance.close() for instance in instances))
        self._interruptions.stop()
        self._thread_clock.close()

    async def _explainer(self, spec: ModelSpec) -> ModelInstance:
        if self._explainers is None:
            raise UnsupportedError(
                "this process has no gateway through which an explainer could ask; use one that "
                "has, as penstock up and its workers"
            )
        return await self._explainers.load(spec)

    async def _in_this_process(self, spec: ModelSpec) -> ModelInstance:
        def load() -> BoundModel:
            return load_model(choose_loader(spec, self._loaders), spec, self._clock)

        model = await in_own_thread(load, f"loading {spec.name}")
        _warn(spec, model.warnings)
        instance = self._instance_of(spec, model)
        instance.own_object = model.own_object
        return instance

    def _instance_of(self, spec: ModelSpec, model: BoundModel) -> ModelInstance:
        concurrency = spec.concurrency or 1
        if spec.execution == "thread":
            workers: list[Worker] = [
                OwnLoopWorker(model) if model.is_async else model for _ in range(concurrency)
            ]
            return self._threads(spec, model.signature, workers)
        patience = self._patience(spec)
        if model.is_async:
            concurrency = spec.concurrency or self._options.async_concurrency
            return AsyncInstance(model, concurrency=concurrency, patience=patience)
        if spec.execution == "inline":
            return InlineInstance(model)
        return AutoInstance(
            model,
            concurrency=concurrency,
            interruptions=self._interruptions,
            patience=patience,
            grace_s=self._options.unload_grace_s,
        )

    async def _in_processes(self, spec: ModelSpec) -> ModelInstance:
        choose = partial(choose_loader, spec, self._loaders)
        loader = await in_own_thread(choose, f"choosing a loader for {spec.name}")
        workers = [WorkerProcess(loader, spec, self._clock) for _ in range(spec.concurrency or 1)]
        starts = [in_own_thread(worker.start, f"starting {spec.name}") for worker in workers]
        failures = await asyncio.gather(*starts, return_exceptions=True)
        failed = next((each for each in failures if each is not None), None)
        if failed is not None:
            for worker in workers:
                await in_own_thread(worker.close, f"closing {spec.name}")
            raise failed
        _warn(spec, workers[0].warnings)
        return self._threads(spec, workers[0].signature, workers)

    def _threads(
        self, spec: ModelSpec, signature: Signature | None, workers: Sequence[Worker]
    ) -> ThreadInstance:
        return ThreadInstance(
            spec.name,
            signature,
            workers,
            patience=self._patience(spec),
            grace_s=self._options.unload_grace_s,
        )

    def _patience(self, spec: ModelSpec) -> Patience:
        return Patience(spec.name, self._options.max_waiting, self._clock)


def _warn(spec: ModelSpec, warnings: Sequence[str]) -> None:
    for warning in warnings:
        _log.warning("model '%s': %s", spec.name, warning, extra={"model": spec.name})
