"""Start-up, readiness and stopping of one process, over plug-ins that write down what they see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.control_plane import FakeServer, FakeStorage, Naps, model, pipeline
from harness.entry_points import FakeEntryPoint, a_plugin
from harness.events import PATIENCE_S, Events
from harness.shared_streams import SharedStreams
from harness.virtual_time import in_virtual_time
from penstock.core.clock import Clock
from penstock.core.config import Config
from penstock.core.contracts.control import ManifestText, WatchEvent
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.contracts.model import Loader, ModelSpec
from penstock.core.contracts.observer import Observer
from penstock.core.contracts.page import Page, PageContent
from penstock.core.control import LoadPolicy
from penstock.core.errors import (
    ConflictError,
    NotReadyError,
    PenstockError,
)
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.plugins.errors import PluginsError
from penstock.core.plugins.manager import assemble
from penstock.core.problems import ProblemsError
from penstock.core.runtime import Runtime
from penstock.joins.inner import InnerJoin
from penstock.plugins.eviction.lru import LeastRecentlyUsed
from penstock.testing.scripts import tensor


class Recorder:
    """What happened, in order, and the parts that it happened to."""

    def __init__(self) -> None:
        self.events = Events()
        self.server = RecordingServer(self)
        self.front_ends: dict[str, RecordingFrontEnd] = {}
        self.failing: set[str] = set()
        self.changes: list[WatchEvent] = []

    def note(self, event: str) -> None:
        self.events.note(event)
        if event in self.failing:
            raise RuntimeError(f"{event} does not work")


class RecordingServer(FakeServer):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__("python")
        self._recorder = recorder
        self.loaders: Mapping[str, Loader] = {}

    def use_loaders(self, loaders: Mapping[str, Loader]) -> None:
        self.loaders = loaders

    async def start(self) -> None:
        self._recorder.note("server starts")

    async def stop(self) -> None:
        self._recorder.note(f"server stops with {len(self.loaded)} models")


class RecordingFrontEnd(FrontEnd):
    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder = recorder
        self._name = name
        self.context: FrontEndContext | None = None
        self.hang = False

    async def start(self, context: FrontEndContext) -> str:
        self._recorder.note(f"{self._name} starts")
        self.context = context
        return f"{self._name}://here"

    async def drain(self) -> None:
        self._recorder.note(f"{self._name} drains")
        if self.hang:
            await asyncio.Event().wait()

    async def stop(self) -> None:
        self._recorder.note(f"{self._name} stops")


class RecordingObserver(Observer):
    def __init__(self, recorder: Recorder, path: str) -> None:
        self._recorder = recorder
        self._path = path

    def start(self, metrics: Metrics) -> None:
        self._recorder.note("observer starts")

    def pages(self) -> Mapping[str, Page]:
        return {self._path: lambda path: PageContent("text/plain", b"page")}

    async def stop(self) -> None:
        self._recorder.note("observer stops")


class NoLoader(Loader):
    def capabilities(self) -> frozenset[str]:
        return frozenset()

    def recognises(self, spec: ModelSpec) -> bool:
        return False

    def load(self, spec: ModelSpec) -> Any:
        raise NotImplementedError


def plugin_of(recorder: Recorder) -> Any:
    """One plug-in that brings everything."""

    def front_end(name: str) -> Callable[[], FrontEnd]:
        def make() -> FrontEnd:
            recorder.note(f"{name} is made")
            made = recorder.front_ends[name] = RecordingFrontEnd(recorder, name)
            return made

        return make

    def started(config: Config, addresses: Mapping[str, str]) -> None:
        recorder.note(f"started at {sorted(addresses.items())}")

    def stopping() -> None:
        recorder.note("stopping")

    def resource_changed(event: WatchEvent) -> None:
        recorder.changes.append(event)
        if event.action == "deleted":
            recorder.note("changed: deleted")

    def make_server() -> FakeServer:
        return recorder.server

    return a_plugin(
        register_joins={"inner": InnerJoin},
        register_server_adapters={"fake": make_server},
        register_loaders={"none": NoLoader},
        register_storages={"fake": FakeStorage},
        register_observers={"fake": lambda: RecordingObserver(recorder, "/metrics")},
        register_frontends={"a": front_end("a"), "b": front_end("b")},
        register_evictions={"lru": LeastRecentlyUsed},
        started=started,
        stopping=stopping,
        resource_changed=resource_changed,
    )


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def runtime_of(recorder: Recorder, *more: FakeEntryPoint, **config: Any) -> Runtime:
    configured = Config.model_validate(config)
    entry_points = [FakeEntryPoint("everything", plugin_of(recorder)), *more]
    # The transport that the configuration chooses by default is not part of these tests.
    transport = FakeEntryPoint("memory", _memory())
    plugins = assemble(configured, entry_points=[*entry_points, transport])
    return Runtime(configured, plugins, policy=LoadPolicy(sleep=Naps().sleep, jitter=lambda: 1.0))


def _memory() -> object:
    from penstock.transports import memory

    return memory


def text(*documents: dict[str, Any]) -> ManifestText:
    return ManifestText(yaml.safe_dump_all(documents), "test.yaml", "/manifests")


@asynccontextmanager
async def running(runtime: Runtime, *manifests: ManifestText | Path) -> AsyncIterator[Runtime]:
    await runtime.start(manifests)
    try:
        yield runtime
    finally:
        await runtime.stop()


def call(runtime: Runtime, name: str) -> asyncio.Future[InferenceResponse | PenstockError]:
    answer: asyncio.Future[InferenceResponse | PenstockError]
    answer = asyncio.get_running_loop().create_future()
    request = InferenceRequest(None, (tensor("x"),))
    runtime.gateway.resolve(name).submit(request, {}, None, answer.set_result)
    return answer


async def test_everything_starts_and_stops_in_order(recorder: Recorder) -> None:
    runtime = runtime_of(recorder)

    addresses = await runtime.start([text(model("m"))])
    assert addresses == {"a": "a://here", "b": "b://here"}
    assert await runtime.wait_ready(PATIENCE_S) == []
    assert runtime.gateway.server_ready()
    await runtime.stop()

    assert not runtime.gateway.server_ready()
    assert recorder.events == [
        "a is made",
        "b is made",
        "observer starts",
        "server starts",
        "a starts",
        "b starts",
        "started at [('a', 'a://here'), ('b', 'b://here')]",
        "stopping",
        "a drains",
        "b drains",
        "b stops",
        "a stops",
        "server stops with 0 models",
        "observer stops",
    ]


async def test_front_ends_get_gateway_control_pages_and_limits(recorder: Recorder) -> None:
    limits = {"requestBytes": "1Mi", "headerBytes": 1024}
    async with running(runtime_of(recorder, limits=limits)) as runtime:
        context = recorder.front_ends["a"].context
        assert context is not None
        assert context.gateway is runtime.gateway
        assert context.control is runtime.control
        assert context.pages["/metrics"]({}).body == b"page"
        assert (context.max_request_bytes, context.max_header_bytes) == (1024 * 1024, 1024)


async def test_servers_get_the_loaders(recorder: Recorder) -> None:
    async with running(runtime_of(recorder)):
        assert list(recorder.server.loaders) == ["none"]


async def test_configured_and_given_manifests_are_one_set(
    recorder: Recorder, tmp_path: Path
) -> None:
    included, given = tmp_path / "models.yaml", tmp_path / "pipelines.yaml"
    included.write_text(yaml.safe_dump(model("m")), encoding="utf-8")
    given.write_text(yaml.safe_dump(pipeline("p", "m", "n")), encoding="utf-8")

    runtime = runtime_of(recorder, include=[str(included)])
    async with running(runtime, given, included, text(model("n"))):
        assert await runtime.wait_ready(PATIENCE_S) == []
        answer = await call(runtime, "p")
        assert isinstance(answer, InferenceResponse)


async def test_what_does_not_get_ready_is_named_with_its_reason(recorder: Recorder) -> None:
    recorder.server.failing["m"] = [NotReadyError("the weights are away")]
    async with running(runtime_of(recorder), text(model("m"), pipeline("p", "m"))) as runtime:
        short = await runtime.wait_ready(0.05)
        assert [str(each.key) for each in short] == ["model 'm'", "pipeline 'p'"]
        assert not runtime.gateway.server_ready()
        assert runtime.gateway.live()


@pytest.mark.parametrize(
    "event",
    [
        "observer starts",
        "server starts",
        "b starts",
        "started at [('a', 'a://here'), ('b', 'b://here')]",
    ],
)
async def test_a_start_that_fails_stops_what_had_started(recorder: Recorder, event: str) -> None:
    recorder.failing.add(event)

    with pytest.raises((RuntimeError, PluginsError), match="does not work"):
        await runtime_of(recorder).start([text(model("m"))])

    def happened(what: str) -> bool:
        return what in recorder.events and what != event

    assert ("a stops" in recorder.events) == happened("a starts")
    assert ("b stops" in recorder.events) == happened("b starts")
    assert any(each.startswith("server stops") for each in recorder.events) == (
        happened("server starts")
    )
    assert ("observer stops" in recorder.events) == happened("observer starts")
    assert recorder.server.loaded == {}


async def test_manifests_that_are_refused_refuse_the_start(recorder: Recorder) -> None:
    with pytest.raises(ProblemsError, match=r"Modle"):
        await runtime_of(recorder).start([text(model("m") | {"kind": "Modle"})])
    assert "a starts" not in recorder.events
    assert "observer stops" in recorder.events


async def test_a_file_that_is_not_there_refuses_the_start(
    recorder: Recorder, tmp_path: Path
) -> None:
    with pytest.raises(ProblemsError, match="no such file"):
        await runtime_of(recorder).start([tmp_path / "absent.yaml"])


async def test_all_parts_that_cannot_be_made_are_named(recorder: Recorder) -> None:
    def broken_storage() -> FakeStorage:
        raise KeyError("token")

    def broken_observer() -> Observer:
        raise ConflictError("there is one already")

    plugin = a_plugin(
        register_storages={"s": broken_storage}, register_observers={"o": broken_observer}
    )
    with pytest.raises(PluginsError) as refused:
        await runtime_of(recorder, FakeEntryPoint("broken", plugin)).start()
    assert len(refused.value.details) == 2
    assert "KeyError: 'token'" in refused.value.details[0]
    assert "there is one already" in refused.value.details[1]


async def test_what_nothing_calls_yet_is_named(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = FakeEntryPoint("m", a_plugin(register_middlewares={"guard": lambda: None}))
    async with running(runtime_of(recorder, plugin)):
        pass
    assert "middlewares are not called yet, these have no effect: guard" in caplog.text


async def test_two_observers_cannot_have_one_page(recorder: Recorder) -> None:
    plugin = a_plugin(register_observers={"zzz": lambda: RecordingObserver(recorder, "/metrics")})
    with pytest.raises(ConflictError, match="/metrics of the observer 'zzz'"):
        await runtime_of(recorder, FakeEntryPoint("other", plugin)).start()


async def test_work_under_way_is_finished_before_anything_stops(recorder: Recorder) -> None:
    runtime = runtime_of(recorder)
    await runtime.start([text(model("m"))])
    await runtime.wait_ready(PATIENCE_S)
    instance = recorder.server.loaded["m", 1]
    instance.gate = asyncio.Event()
    answer = call(runtime, "m")
    await instance.called.wait()

    stopping = asyncio.ensure_future(runtime.stop())
    await recorder.events.came("a drains")
    late = await call(runtime, "m")
    assert isinstance(late, NotReadyError)
    assert "a stops" not in recorder.events

    instance.gate.set()
    assert isinstance(await answer, InferenceResponse)
    await stopping
    assert recorder.events[-1] == "observer stops"


@pytest.mark.parametrize("by", ["grace", "force"])
async def test_work_that_does_not_end_is_given_up(recorder: Recorder, by: str) -> None:
    runtime = runtime_of(recorder)
    await runtime.start([text(model("m"))])
    await runtime.wait_ready(PATIENCE_S)
    instance = recorder.server.loaded["m", 1]
    instance.gate = asyncio.Event()
    call(runtime, "m")
    recorder.front_ends["a"].hang = True

    forced = asyncio.Event()
    if by == "force":
        forced.set()
    await runtime.stop(grace_s=0.0 if by == "grace" else PATIENCE_S, forced=forced)

    assert recorder.server.loaded == {}
    assert recorder.events[-4:] == [
        "b stops",
        "a stops",
        "server stops with 0 models",
        "observer stops",
    ]


@pytest.mark.parametrize("event", ["a drains", "b stops", "stopping"])
async def test_what_fails_while_stopping_holds_nothing_up(
    recorder: Recorder, event: str, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = runtime_of(recorder)
    await runtime.start([])
    recorder.failing.add(event)

    await runtime.stop()

    assert recorder.events[-1] == "observer stops"
    assert f"{event} does not work" in caplog.text


async def test_plug_ins_are_told_of_every_change(recorder: Recorder) -> None:
    async with running(runtime_of(recorder), text(model("m"))) as runtime:
        await runtime.wait_ready(PATIENCE_S)
        await runtime.control.delete("Model", "m", force=False)
        await recorder.events.came("changed: deleted")
    assert [change.revision for change in recorder.changes] == [1, 2, 3]


async def test_warnings_about_manifests_are_logged(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(runtime_of(recorder), text(pipeline("p", "missing"))):
        pass
    assert "there is no model 'missing'" in caplog.text


async def test_what_was_fetched_is_gone_afterwards(recorder: Recorder) -> None:
    async with running(runtime_of(recorder), text(model("m", storageUri="fake://m"))) as runtime:
        assert await runtime.wait_ready(PATIENCE_S) == []
        (spec,) = recorder.server.loads
        assert spec.artifacts is not None
        folder = spec.artifacts.parent
        assert await asyncio.to_thread(folder.exists)
    assert not await asyncio.to_thread(folder.exists)


def test_a_transport_that_cannot_be_reached_is_a_reason_not_to_start(recorder: Recorder) -> None:
    async def start(_: Clock) -> None:
        streams = SharedStreams()
        streams.away = True
        runtime = runtime_of(recorder, streams.entry_point(), transport={"kind": "shared"})
        with pytest.raises(NotReadyError, match="within 300 s, at last: the streams are away"):
            await runtime.start()

    in_virtual_time(start)
