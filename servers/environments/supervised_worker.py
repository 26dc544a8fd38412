"""A worker that is kept running, with the models that it has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from penstock.core.children.life import FIRST_PAUSE_MS, LONGEST_PAUSE_MS
from penstock.core.children.output import Output
from penstock.core.children.process import ChildProcess
from penstock.core.children.supervisor import Charge, Supervisor, Watching
from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import LostError, NotReadyError, PenstockError, UnsupportedError, error_of
from penstock.servers.environments.options import VenvOptions
from penstock.servers.environments.run import PACKAGE, Run, start_run
from penstock.servers.environments.wire import FORMAT, message
from penstock.servers.environments.worker_model import WorkerModel
from penstock.servers.inprocess.waiting import Patience
from penstock.servers.processes.documents import signature_of, spec_document

_log = logging.getLogger(__name__)


class SupervisedWorker(Charge):
    """One worker, from :meth:`start` to :meth:`stop`: when its process ends it is started again,
    and what was loaded is loaded again.

    ``subject`` is what sentences call it, ``output`` takes the lines that it prints.
    """

    def __init__(
        self, subject: str, output: Output, python: Path, options: VenvOptions, clock: Clock
    ) -> None:
        self._subject = subject
        self._python = python
        self._options = options
        self._clock = clock
        self._output = output
        watching = Watching(options.start_timeout_s, options.look_s, options.hang_s)
        self._supervisor = Supervisor(subject, self, self._output, watching, clock)
        self._run: Run | None = None
        self._models: dict[WorkerModel, Mapping[str, Any]] = {}
        self._keys = count(1)

    async def start(self) -> None:
        """Start the process. Raises NotReadyError when it does not come up, with what it said."""
        await self._supervisor.start()

    async def stop(self) -> None:
        """End the process; calls that are in it end as lost."""
        await self._supervisor.stop()
        self._models.clear()

    def memory_bytes(self) -> int | None:
        """The memory that the process holds, None while there is none."""
        return None if self._run is None else self._run.process.memory_bytes()

    async def load(self, spec: ModelSpec) -> WorkerModel:
        """Load a model beside what is loaded. Raises PenstockError."""
        order = self._order(spec)
        run = self._running()
        told = await self._load(run, order)
        concurrency = spec.concurrency or (self._options.async_concurrency if told["async"] else 1)
        model = WorkerModel(
            order["model"],
            signature_of(told["signature"]),
            is_async=told["async"],
            concurrency=concurrency,
            patience=Patience(spec.name, self._options.max_waiting, self._clock),
            clock=self._clock,
        )
        if self._run is not run:
            raise NotReadyError(self.why_not())
        self._models[model] = order
        model.use(run)
        for warning in told["warnings"]:
            _log.warning("model '%s': %s", spec.name, warning, extra={"model": spec.name})
        return model

    async def unload(self, model: WorkerModel) -> None:
        """Unload a model, whether its process lives or not."""
        self._models.pop(model, None)
        if self._run is not None:
            await self._unload(self._run, model)

    async def launch(self) -> ChildProcess:
        self._run = await start_run(
            self._python,
            shared_bytes=self._options.shared_memory,
            spare=self._options.processes == "shared",
            environment=self._options.environment,
            output=self._output,
            grace_s=self._options.stop_timeout_s,
        )
        return self._run.process

    async def lives(self, timeout_s: float) -> bool:
        """Whether it is up, and no call in it is over its time."""
        run = self._run
        if run is None or not await run.connection.greeted(timeout_s):
            return False
        now_ms = self._clock.now_ms()
        return not any(model.is_overdue(now_ms) for model in self._models)

    async def came_up(self) -> None:
        """Load again what was loaded."""
        run = self._run
        assert run is not None, "it is up"
        # One that is tried again does not hold the others up.
        await asyncio.gather(
            *(self._load_again(run, model, order) for model, order in self._models.items())
        )

    async def went_down(self) -> None:
        run, self._run = self._run, None
        if run is None:
            return
        run.connection.close()
        life = self._supervisor.life
        how = "was ended" if life.standing == "stopped" else life.how
        for model in list(self._models):
            model.lose(LostError(f"{self._subject} {how} during the call"), self.why_not)

    def why_not(self) -> str:
        """Why nothing can be called now, as a sentence."""
        return (
            self._supervisor.life.why_not(self._clock.now_ms())
            or f"{self._subject} was started again, and the model is not loaded there yet"
        )

    def _order(self, spec: ModelSpec) -> dict[str, Any]:
        """What the worker is told for a model to be loaded."""
        order = {
            "do": "load",
            "model": f"{spec.name}_{spec.version}-{next(self._keys)}",
            "concurrency": spec.concurrency or 1,
            "spec": spec_document(spec),
        }
        try:
            message(order)
        except (TypeError, ValueError) as error:
            raise UnsupportedError(
                f"model '{spec.name}' cannot be sent to another environment: {error}; its "
                "parameters are to be what YAML and JSON have"
            ) from error
        return order

    def _running(self) -> Run:
        why_not = self._supervisor.life.why_not(self._clock.now_ms())
        if why_not is not None or self._run is None:
            raise NotReadyError(self.why_not())
        return self._run

    async def _load(self, run: Run, order: Mapping[str, Any]) -> dict[str, Any]:
        """Have a process load a model: what it says of it. Raises PenstockError."""
        if run.connection.hello["format"] != FORMAT:
            raise NotReadyError(
                f"{PACKAGE} holds another Penstock than the one that runs, so that a worker cannot "
                "be talked to; start Penstock again"
            )
        try:
            async with asyncio.timeout(self._options.load_timeout_s):
                told = await run.connection.answer_to(order)
        except TimeoutError:
            run.process.kill()
            raise NotReadyError(
                f"the model was not loaded within {self._options.load_timeout_s:g} s "
                "(loadTimeoutS), and its process was ended"
            ) from None
        if told is None:
            how = await run.process.ended(self._options.stop_timeout_s) or "has broken off"
            raise NotReadyError(f"{self._subject} {how} while it loaded")
        if "code" in told:
            raise error_of(told["code"], told["message"])
        return told

    async def _load_again(self, run: Run, model: WorkerModel, order: Mapping[str, Any]) -> None:
        pause_ms = FIRST_PAUSE_MS
        while model in self._models:
            try:
                await self._load(run, order)
            except PenstockError as error:
                said = f"{self._subject} was started again, and cannot load it again: {error}"
                _log.error("%s", said, extra=self._output.about)
                model.lose(NotReadyError(said), partial(str, said))
                await asyncio.sleep(pause_ms / 1000.0)
                pause_ms = min(2.0 * pause_ms, LONGEST_PAUSE_MS)
            else:
                if model in self._models:
                    model.use(run)
                else:
                    # It was unloaded meanwhile.
                    await self._unload(run, model)
                return

    async def _unload(self, run: Run, model: WorkerModel) -> None:
        """Have a process forget a model; one that is busy does so later."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._options.stop_timeout_s):
                await run.connection.answer_to({"do": "unload", "model": model.key})
