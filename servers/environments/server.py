"""The server adapter ``venv``: models in processes of another environment."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from penstock.core.children.output import Output
from penstock.core.children.process import environment_with
from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.model import ModelInstance, ModelSpec, ServerAdapter
from penstock.core.errors import NotReadyError, error_of
from penstock.core.own_thread import in_own_thread
from penstock.core.signature import Signature
from penstock.servers.environments.environment import Environment
from penstock.servers.environments.options import VenvOptions
from penstock.servers.environments.run import command
from penstock.servers.environments.supervised_worker import SupervisedWorker
from penstock.servers.environments.worker_model import WorkerModel
from penstock.servers.processes.documents import signature_of, spec_document
from penstock.servers.python_loader import PythonLoader

DESCRIBE_S: Final = 120.0
"""How long the import of a model's modules may take when its signature is asked for."""

_log = logging.getLogger(__name__)


class VenvServer(ServerAdapter):
    """Loads models with Penstock's own loaders (``worker/loaders.py``) in the environment that the
    options name, each in a process of its own or all in one.

    Raises InvalidRequestError for options that name none.
    """

    needs_manifest = True

    def __init__(self, options: VenvOptions, *, clock: Clock | None = None) -> None:
        self._options = options
        self._clock = clock or SystemClock()
        self._environment = Environment(options)
        self._name = "venv"
        self._python: Path | None = None
        self._shared: SupervisedWorker | None = None
        self._workers: dict[ModelInstance, SupervisedWorker] = {}

    def use_clock(self, clock: Clock) -> None:
        self._clock = clock

    def use_name(self, name: str) -> None:
        self._name = name

    def capabilities(self) -> frozenset[str]:
        own = frozenset(("venv", "python"))
        return frozenset(self._options.capabilities) or own | self._environment.words()

    def memory_bytes(self) -> int | None:
        workers = {*self._workers.values(), *([self._shared] if self._shared else [])}
        held = [size for each in workers if (size := each.memory_bytes()) is not None]
        return sum(held) if held else None

    def source_files(self, spec: ModelSpec) -> Sequence[Path]:
        return PythonLoader().source_files(spec)

    def signature(self, spec: ModelSpec) -> Signature | None:
        """What the model says itself, in its environment, where that is there."""
        if spec.python is None and spec.artifacts is None:
            return spec.signature  # the artifacts tell more, and are not here
        python = self._environment.python()
        try:
            done = subprocess.run(
                command(python, "describe"),
                check=True,
                input=json.dumps(spec_document(spec)),
                capture_output=True,
                text=True,
                timeout=DESCRIBE_S,
                env=environment_with(self._options.environment),
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            raise NotReadyError(
                f"the model cannot be looked at with {python}: {said[-1] if said else error}"
            ) from error
        answer = json.loads(done.stdout)
        if "code" in answer:
            raise error_of(answer["code"], answer["message"])
        return signature_of(answer["signature"])

    async def start(self) -> None:
        """Make the environment if it is to be made, and see that a process comes up in it."""
        try:
            self._python = await in_own_thread(self._make, f"making {self._name}")
        except asyncio.CancelledError:
            self._environment.give_up()
            raise
        worker = self._new_worker(f"the process of server '{self._name}'", self._name, {})
        await worker.start()
        if self._options.processes == "shared":
            self._shared = worker
        else:
            await worker.stop()

    async def stop(self) -> None:
        workers = {*self._workers.values(), *([self._shared] if self._shared else [])}
        self._workers.clear()
        self._shared = None
        await asyncio.gather(*(each.stop() for each in workers))

    async def load(self, spec: ModelSpec) -> ModelInstance:
        worker = self._shared
        if worker is not None:
            model = await worker.load(spec)
        else:
            worker = self._new_worker(
                f"the worker process of model '{spec.name}'",
                f"{self._name} {spec.name}",
                {"model": spec.name},
            )
            await worker.start()
            try:
                model = await worker.load(spec)
            except BaseException:
                await worker.stop()
                raise
        self._workers[model] = worker
        return model

    async def unload(self, instance: ModelInstance) -> None:
        assert isinstance(instance, WorkerModel), "load gave it"
        worker = self._workers.pop(instance, None)
        if worker is None:
            return  # it went with its server
        try:
            async with asyncio.timeout(self._options.stop_timeout_s):
                await instance.close()
        except TimeoutError:
            _log.warning("a model is unloaded while calls that were given up hang in it")
        if worker is self._shared:
            await worker.unload(instance)
        else:
            await worker.stop()

    def _make(self) -> Path:
        said, about = "server '%s': %s", {"server": self._name}
        return self._environment.make(lambda line: _log.info(said, self._name, line, extra=about))

    def _new_worker(self, subject: str, name: str, about: Mapping[str, str]) -> SupervisedWorker:
        if self._python is None:
            raise NotReadyError(f"server '{self._name}' is not started")
        output = Output(name, {"server": self._name, **about})
        return SupervisedWorker(subject, output, self._python, self._options, self._clock)
