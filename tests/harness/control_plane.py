"""The control plane over the real gateways, with a server and a storage that tests direct."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from harness.builtin import builtin_eviction, builtin_rules
from harness.events import PATIENCE_S
from penstock.core.artifacts import ArtifactCache
from penstock.core.clock import SystemClock, VirtualClock
from penstock.core.contracts.control import Change, ManifestText
from penstock.core.contracts.gateway import ServerMetadata, Target
from penstock.core.contracts.model import (
    CopyPlace,
    ModelCall,
    ModelInstance,
    ModelSpec,
    ServerAdapter,
)
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.contracts.transport import Transport
from penstock.core.control import LoadPolicy, LocalControlPlane
from penstock.core.control.agents.hosted import AgentMeeting
from penstock.core.control.preparation import OptionsCheck, unchecked
from penstock.core.control.servers import ServerKinds
from penstock.core.database import Database
from penstock.core.dataflow import Dataflow
from penstock.core.errors import InvalidRequestError, PenstockError
from penstock.core.experiments.reports import HeardReports
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import Journal, JournalLimits
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan import Recording
from penstock.core.records import Tensors
from penstock.core.routing.book import RouteBook
from penstock.core.scaling.rules import ScalingRules
from penstock.core.signature import Signature
from penstock.core.streams import StreamNames
from penstock.testing.joins import Joins
from penstock.testing.scripts import tensor

PLACE = "grpc://far:1"

BAD = "models:Bad"
"""A model that cannot be loaded."""


class FakeInstance(ModelInstance):
    """Answers with its input, at once, or when ``gate`` is set."""

    def __init__(self, spec: ModelSpec, signature: Signature | None) -> None:
        super().__init__(signature)
        self.spec = spec
        self.gate: asyncio.Event | None = None
        self.called = asyncio.Event()

    def infer(self, call: ModelCall) -> Any:
        self.called.set()
        return call.tensors if self.gate is None else self._wait(self.gate, call.tensors)

    async def _wait(self, gate: asyncio.Event, tensors: Tensors) -> Tensors:
        await gate.wait()
        return tensors


class FakeServer(ServerAdapter):
    """Loads at once; ``held`` names wait in ``load`` until released, ``failing`` ones fail.

    Names in ``failing`` map to the errors of the loads to come (None for one that succeeds), the
    last one staying.
    """

    def __init__(self, *capabilities: str) -> None:
        self._capabilities = frozenset(capabilities)
        self.held: dict[str, asyncio.Event] = {}
        self.failing: dict[str, list[Exception | None]] = {}
        self.signatures: dict[str, Signature] = {}
        self.loads: list[ModelSpec] = []
        self.loading = 0
        self.most_loading = 0
        self.loaded: dict[tuple[str, int], FakeInstance] = {}
        self.unloaded: list[tuple[str, int]] = []
        self.unloads = asyncio.Event()
        self.begun = asyncio.Event()
        self.running = False
        self.start_errors: list[Exception] = []
        self.memory: dict[str, int] = {}
        """How much models take as it is measured, by name; empty where nobody measures."""
        self.start_gate: asyncio.Event | None = None
        self.placed: frozenset[str] = frozenset()
        """Models that other processes can call as well, at ``PLACE``."""

    async def start(self) -> None:
        """At once, or when ``start_gate`` is set; the errors of ``start_errors`` come first."""
        self.running = True
        if self.start_gate is not None:
            await self.start_gate.wait()
        if self.start_errors:
            raise self.start_errors.pop(0)

    def capabilities(self) -> frozenset[str]:
        return self._capabilities

    def memory_bytes(self) -> int | None:
        if not self.memory:
            return None
        return 1000 + sum(self.memory.get(name, 0) for name, _ in self.loaded)

    async def load(self, spec: ModelSpec) -> ModelInstance:
        self.loads.append(spec)
        self.loading += 1
        self.begun.set()
        self.most_loading = max(self.loading, self.most_loading)
        try:
            if spec.name in self.held:
                await self.held[spec.name].wait()
            errors = self.failing.get(spec.name, [None])
            error = errors.pop(0) if len(errors) > 1 else errors[0]
            if error is not None:
                raise error
            if spec.python == BAD:
                raise InvalidRequestError("it is a bad one")
        finally:
            self.loading -= 1
        instance = FakeInstance(spec, self.signatures.get(spec.name, spec.signature))
        if spec.name in self.placed:
            instance.place = CopyPlace(PLACE, spec.name, str(spec.version))
        self.loaded[spec.name, spec.version] = instance
        return instance

    async def unload(self, instance: ModelInstance) -> None:
        assert isinstance(instance, FakeInstance)
        key = (instance.spec.name, instance.spec.version)
        assert self.loaded.get(key) is instance, f"{key} is unloaded twice"
        del self.loaded[key]
        self.unloaded.append(key)
        self.unloads.set()

    async def stop(self) -> None:
        """What is loaded is gone with it."""
        assert not self.loaded, "models are unloaded before their server stops"
        self.running = False


class FakeKind:
    """A kind of server that manifests ask for: makes ``prepared`` replicas first, then new ones."""

    def __init__(self, *capabilities: str) -> None:
        self.capabilities = capabilities
        self.prepared: list[FakeServer] = []
        self.made: list[FakeServer] = []
        self.options: list[Mapping[str, Any]] = []

    def __call__(self, options: Mapping[str, Any]) -> FakeServer:
        if "wrong" in options:
            raise InvalidRequestError("the options are wrong", details=["options.wrong: unknown"])
        server = self.prepared.pop(0) if self.prepared else FakeServer(*self.capabilities)
        self.options.append(options)
        self.made.append(server)
        return server

    @property
    def running(self) -> list[FakeServer]:
        """Those that were started and not stopped."""
        return [server for server in self.made if server.running]

    def held(self, model: str) -> int:
        """How many copies of a model are loaded on them."""
        return sum(name == model for server in self.made for name, _ in server.loaded)


class FakeStorage(ArtifactStorage):
    """Knows addresses with its scheme; what it fetches is an empty folder."""

    def __init__(self, scheme: str = "fake") -> None:
        self._scheme = scheme
        self.fetched: list[str] = []
        self.error: PenstockError | None = None

    def handles(self, uri: str) -> bool:
        return uri.startswith(f"{self._scheme}://")

    async def fetch(self, uri: str, into: Path) -> Path:
        self.fetched.append(uri)
        if self.error is not None:
            raise self.error
        (into / "1").mkdir()
        return into


class Naps:
    """Stands in for ``asyncio.sleep``: a sleeper wakes when the test says so."""

    def __init__(self) -> None:
        self.lengths_s: list[float] = []
        self._sleeping: list[asyncio.Future[None]] = []
        self._begun = asyncio.Event()

    async def sleep(self, length_s: float) -> None:
        nap: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lengths_s.append(length_s)
        self._sleeping.append(nap)
        self._begun.set()
        await nap

    async def wake(self) -> None:
        """Wait until somebody sleeps, and wake everybody."""
        await asyncio.wait_for(self._begun.wait(), PATIENCE_S)
        self._begun.clear()
        for nap in self._sleeping:
            if not nap.done():
                nap.set_result(None)
        self._sleeping.clear()


class Plane:
    """One control plane and everything around it."""

    def __init__(
        self,
        folder: Path,
        *,
        history: int = 4096,
        parallel: int = 2,
        record: Recording = "boundary",
        database: Database | None = None,
        own_server: bool = True,
        server: FakeServer | None = None,
        kinds: ServerKinds | None = None,
        storage: ArtifactStorage | None = None,
        cache: ArtifactCache | None = None,
        clock: VirtualClock | None = None,
        made_by: type[LocalControlPlane] = LocalControlPlane,
        options_check: OptionsCheck = unchecked,
        book: RouteBook | None = None,
        agents: AgentMeeting | None = None,
        scaling: ScalingRules | None = None,
        transport: Transport | None = None,
        **servers: FakeServer,
    ) -> None:
        """``clock`` is the time of everything, on a loop of its own (``VirtualLoop``)."""
        self.clock = clock or VirtualClock(1_700_000_000_000.0)
        self.server = server or FakeServer("python", "sklearn")
        self.storage = FakeStorage()
        self.naps = Naps()
        self.metrics = Metrics()
        self.reports = HeardReports()
        self.journal = Journal(JournalLimits())
        self.models = ModelGateway(book)
        system_clock = clock or SystemClock()
        self.dataflow = Dataflow(self.models, self.metrics, system_clock)
        self.dataflow.start()
        metadata = ServerMetadata("penstock", "0", ())
        self.gateway = PipelineGateway(
            self.dataflow, self.metrics, system_clock, GatewayLimits(), metadata, self.journal
        )
        if book is not None:
            self.gateway.be_followed(book, Joins())
        self.gateway.open_intake()
        self.folder = folder
        self.control = made_by(
            servers={"inprocess": self.server, **servers} if own_server else {},
            server_kinds=kinds or {},
            server_options=options_check,
            rules=builtin_rules(),
            eviction=builtin_eviction(),
            storages=[self.storage if storage is None else storage],
            joins=Joins(),
            models=self.models,
            gateway=self.gateway,
            metrics=self.metrics,
            clock=self.clock,
            work_folder=folder,
            history=history,
            record=record,
            database=database,
            cache=cache,
            policy=LoadPolicy(
                parallel=parallel,
                sleep=asyncio.sleep if clock else self.naps.sleep,
                jitter=lambda: 1.0,
            ),
            agents=agents,
            reports=self.reports,
            scaling=scaling,
            streams=None if transport is None else (transport, StreamNames.under(transport.root)),
        )

    async def apply(self, *documents: dict[str, Any], dry_run: bool = False) -> list[Change]:
        """Apply documents as one set; the changes come back without the manifests in them."""
        text = ManifestText(yaml.safe_dump_all(documents), "test.yaml", "/manifests")
        changes = await self.control.apply([text], dry_run=dry_run)
        return [replace(change, before=None, after=None) for change in changes]

    async def settle(self) -> list[str]:
        """Wait until nothing more is to come; what is not ready then, as sentences."""
        return [str(each) for each in await self.control.wait_settled(PATIENCE_S)]

    def condition(self, kind: str, name: str, type: str = "Ready") -> tuple[str, str, str] | None:
        """Status, reason and message of a condition, if it is there."""
        for condition in self.control.get(kind, name)["status"]["conditions"]:
            if condition["type"] == type:
                return condition["status"], condition["reason"], condition["message"]
        return None

    def reason(self, kind: str, name: str) -> str:
        """That of the condition ``Ready``."""
        condition = self.condition(kind, name)
        assert condition is not None
        return condition[1]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for the change after which ``holds`` is true."""
        async with asyncio.timeout(PATIENCE_S):
            if holds():
                return
            async for _ in self.control.watch(None, 0):
                if holds():
                    return

    async def unloaded(self, *keys: tuple[str, int]) -> None:
        """Wait until these versions, and no others, have been unloaded."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.server.unloaded) < len(keys):
                self.server.unloads.clear()
                await self.server.unloads.wait()
        assert sorted(self.server.unloaded) == sorted(keys)

    async def loading(self, count: int) -> None:
        """Wait until so many loads are under way."""
        async with asyncio.timeout(PATIENCE_S):
            while self.server.loading < count:
                self.server.begun.clear()
                await self.server.begun.wait()

    async def quiet(self) -> None:
        """Wait until nothing is being taken away any more."""
        words = ("removing", "retiring", "forgetting", "undoing", "draining")
        async with asyncio.timeout(PATIENCE_S):
            while tasks := [t for t in asyncio.all_tasks() if t.get_name().startswith(words)]:
                await asyncio.wait(tasks)

    async def turns(self) -> None:
        """Let everything run that waits for nothing."""
        for _ in range(20):
            await asyncio.sleep(0)

    def call(self, target: str, request: InferenceRequest | None = None) -> asyncio.Future[Any]:
        """Send a request; the future holds the answer, or the error as its result."""
        return self.call_target(self.gateway.resolve(target), request)

    def call_target(
        self, target: Target, request: InferenceRequest | None = None
    ) -> asyncio.Future[Any]:
        """The same for a target that was resolved already."""
        answer: asyncio.Future[InferenceResponse | PenstockError]
        answer = asyncio.get_running_loop().create_future()
        target.submit(
            request or InferenceRequest(None, (tensor("x"),)), {}, None, answer.set_result
        )
        return answer


@asynccontextmanager
async def control_plane(folder: Path, **options: Any) -> AsyncIterator[Plane]:
    """A control plane that runs, and stops afterwards."""
    plane = Plane(folder, **options)
    plane.control.start()
    try:
        yield plane
    finally:
        await plane.control.stop()
        await plane.dataflow.stop()


def model(name: str, **spec: Any) -> dict[str, Any]:
    """The manifest of a model."""
    return {
        "apiVersion": "penstock.io/v1",
        "kind": "Model",
        "metadata": {"name": name},
        "spec": spec or {"python": "models:Any"},
    }


def server(name: str, **spec: Any) -> dict[str, Any]:
    """The manifest of a server of the kind ``fake``."""
    return {
        "apiVersion": "penstock.io/v1",
        "kind": "Server",
        "metadata": {"name": name},
        "spec": {"serverConfig": "fake", **spec},
    }


def pipeline(name: str, *models: str, **spec: Any) -> dict[str, Any]:
    """The manifest of a chain of models, or of whatever ``spec`` says."""
    steps: Sequence[dict[str, Any]] = [
        {"name": each, "inputs": [before]} if before else {"name": each}
        for before, each in zip(("", *models), models, strict=False)
    ]
    chain = {"steps": steps, "output": {"steps": [models[-1]]}} if models else {}
    return {
        "apiVersion": "penstock.io/v1",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": chain | spec,
    }
