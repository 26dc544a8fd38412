"""Plays cases in one process: compiles their pipelines, loads their models, and compares."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

from penstock.core.cases.case import Case, CaseManifest
from penstock.core.cases.comparison import TOLERANCE, Difference, differences
from penstock.core.cases.playing import Playing
from penstock.core.cases.reading import Readers, all_steps, brought_again
from penstock.core.contracts.control import ManifestText
from penstock.core.contracts.model import ModelCall, ModelInstance, ServerAdapter
from penstock.core.control.background import Background
from penstock.core.control.loading import LoadError, ModelLoader, server_with
from penstock.core.errors import InvalidRequestError, NotReadyError
from penstock.core.inference import InferenceRequest
from penstock.core.journal.story import Story
from penstock.core.manifests import read_manifests
from penstock.core.nearest import did_you_mean
from penstock.core.pipeline_gateway.child import tensors_of_child
from penstock.core.plan import PIPELINE_SUFFIX, Plan
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plugins.plugins import Plugins
from penstock.core.records import Port, Tensors
from penstock.core.resources import Model, Origin, Pipeline
from penstock.core.runtime.parts import make_parts

Models: TypeAlias = Literal["real", "recorded"]

ANSWER: Final = Port(None, "outputs")


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a case this time, and where that is not what was recorded.

    ``children`` are the requests that it made of other pipelines this time, none where these were
    played back, ``readers`` its way through pipelines that read it. ``left_out`` has a sentence for
    each of these that could not be played.
    """

    case: Case
    story: Story
    children: Sequence[Story]
    differences: Sequence[Difference]
    real_steps: frozenset[str]
    readers: Sequence[Story] = ()
    left_out: Sequence[str] = ()

    @property
    def answer_is_the_same(self) -> bool:
        """Whether the answer is the one that was recorded, and those of its readers are."""
        return all(each.port != ANSWER for each in self.differences)


@dataclass(frozen=True, slots=True)
class PlayOptions:
    """How a case is played.

    ``models`` says whether they are called or played back; with ``from_step`` those of this step
    and of all that follow from it are called, the others played back. ``folder`` is where modules
    of models are looked for, and relative to which their files are, in place of the folder on the
    server. ``on_error`` is told of what a model that is called raises.
    """

    models: Models = "real"
    from_step: str | None = None
    folder: Path | None = None
    tolerance: float = TOLERANCE
    on_error: Callable[[BaseException], None] | None = None


@dataclass(frozen=True, slots=True)
class _Here:
    """What models are loaded by, and the servers of this process that they are loaded on."""

    loader: ModelLoader
    servers: tuple[ServerAdapter, ...]


async def play(case: Case, plugins: Plugins, options: PlayOptions) -> Played:
    """Play a case. Raises PenstockError when it cannot be, with what to do about it."""
    plans = _plans(case, plugins)
    plan = plans[case.story.pipeline]
    # What is known of the recording stands on the plan, and on what was kept of it.
    case.story.plan = replace(plan, record=case.kept)
    real = real_steps(plan, options)
    if case.kept != "all" and len(real) < len(plan.steps):
        raise InvalidRequestError(
            f"the case has not what its steps put out (record: {case.kept}), so they cannot be "
            "played back; play it with --models real and from the beginning"
        )
    readers = Readers(case, plans, real)
    wanted = [*_wanted(plans, plan, real)]
    for name in readers.called:
        wanted += _wanted(plans, plans[name], all_steps(plans[name]))
    async with _models_of(case, plugins, options, plans, wanted) as calls:
        brought = brought_again(case.story, [])
        story = await Playing(case.story, plan, calls, real.__contains__, brought).play()
        played = await readers.play(story, calls)
    found = differences(case.story, story, options.tolerance)
    for recorded, reader in zip(readers.recorded, played, strict=True):
        of_reader = differences(recorded, reader, options.tolerance)
        found += [each._replace(reader=reader.pipeline) for each in of_reader]
    return Played(case, story, calls.children, found, real, played, readers.left_out)


def real_steps(plan: Plan, options: PlayOptions) -> frozenset[str]:
    """The steps whose models are called."""
    names = [step.name for step in plan.steps]
    start = options.from_step
    if start is None:
        return frozenset(names if options.models == "real" else ())
    if start not in names:
        hint = did_you_mean(start, names) or f"its steps are {', '.join(names)}"
        raise InvalidRequestError(f"pipeline '{plan.name}' has no step '{start}'; {hint}")
    readers = _readers(plan)
    reached, waiting = {start}, [start]
    while waiting:
        for reader in readers[waiting.pop()] - reached:
            reached.add(reader)
            waiting.append(reader)
    return frozenset(reached)


def _readers(plan: Plan) -> Mapping[str, set[str]]:
    """Which steps read which, by inputs or triggers."""
    assert plan.pipeline is not None, "a case has its manifest"
    readers: dict[str, set[str]] = {step.name: set() for step in plan.steps}
    for step in plan.pipeline.spec.steps:
        for reference in (*step.inputs, *step.triggers):
            read = reference.partition(".")[0]
            if read in readers:
                readers[read].add(step.name)
    return readers


def _plans(case: Case, plugins: Plugins) -> Mapping[str, Plan]:
    """The plans of the pipelines in a case; every port of them emits."""
    texts = [
        ManifestText(json.dumps(each.document), f"{each.kind} '{each.name}' in the case")
        for each in case.manifests
        if each.kind == "Pipeline"
    ]
    versions = {each.name: each.version for each in case.manifests if each.kind == "Pipeline"}
    plans = {}
    for entry in read_manifests(texts).entries:
        assert isinstance(entry.manifest, Pipeline), "others were left out"
        plans[entry.name] = compile_pipeline(
            entry.manifest, versions[entry.name], plugins.joins, record="all"
        )
    if case.story.pipeline not in plans:
        raise InvalidRequestError(
            f"the case has no manifest of its pipeline '{case.story.pipeline}'"
        )
    return plans


class _RealCalls:
    """Calls models that were loaded, and plays pipelines that are steps."""

    def __init__(
        self,
        case: Case,
        plans: Mapping[str, Plan],
        on_error: Callable[[BaseException], None] | None,
    ) -> None:
        self._case = case
        self._plans = plans
        self._on_error = on_error
        self.instances: dict[str, ModelInstance] = {}
        self.children: list[Story] = []

    async def call(self, call: ModelCall, model: str, identity: str) -> Tensors:
        """Call it. A pipeline is played, its models called as well."""
        if model.endswith(PIPELINE_SUFFIX):
            return await self._play(call, model.removesuffix(PIPELINE_SUFFIX), identity)
        try:
            result = self.instances[model].infer(call)
            return result if isinstance(result, tuple) else await result
        except Exception as error:
            if self._on_error is not None:
                self._on_error(error)
            raise

    async def _play(self, call: ModelCall, name: str, identity: str) -> Tensors:
        origin = call.origin
        request = InferenceRequest(origin.request_id, call.tensors, origin.parameters)
        recorded = self._case.child(identity)
        opened_ms = self._case.story.opened_ms if recorded is None else recorded.opened_ms
        ends_ms = float("inf") if recorded is None else recorded.deadline_ms
        again = Story(
            identity, name, 0, request, origin.headers, opened_ms, ends_ms, asynchronous=False
        )
        if recorded is not None:
            # When things came is as it was; what came in is what comes in now.
            again.records, again.attempts = recorded.records, recorded.attempts
        story = await Playing(again, self._plans[name], self, lambda step: True).play()
        self.children.append(story)
        assert story.result is not None, "a pipeline that is a step has an output"
        return tensors_of_child(story.result, call.step)


@asynccontextmanager
async def _models_of(
    case: Case,
    plugins: Plugins,
    options: PlayOptions,
    plans: Mapping[str, Plan],
    models: Iterable[str],
) -> AsyncIterator[_RealCalls]:
    """The models that are called, loaded so that they run where a debugger sees them."""
    calls = _RealCalls(case, plans, options.on_error)
    wanted = list(dict.fromkeys(models))
    async with AsyncExitStack() as stack:
        if not wanted:
            yield calls
            return
        here = await _servers_here(plugins, options, stack)
        manifests = {each.name: each for each in case.manifests if each.kind == "Model"}
        for name in wanted:
            if name not in manifests:
                raise InvalidRequestError(
                    f"the case has no manifest of model '{name}', so it cannot be called; play "
                    "the case with --models recorded"
                )
            calls.instances[name] = await _load(here, manifests[name], options, stack)
        yield calls


def _wanted(plans: Mapping[str, Plan], plan: Plan, real: frozenset[str]) -> Iterator[str]:
    """The models that steps call, those of pipelines that are steps included."""
    for step in plan.steps:
        if step.name not in real:
            continue
        if not step.model.endswith(PIPELINE_SUFFIX):
            yield step.model
            continue
        name = step.model.removesuffix(PIPELINE_SUFFIX)
        if name not in plans:
            raise InvalidRequestError(f"the case has no manifest of pipeline '{name}'")
        yield from _wanted(plans, plans[name], all_steps(plans[name]))


async def _servers_here(plugins: Plugins, options: PlayOptions, stack: AsyncExitStack) -> _Here:
    parts = make_parts(plugins)
    work_folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="penstock-"))
    stack.callback(shutil.rmtree, work_folder, ignore_errors=True)
    for server in parts.servers.values():
        server.use_loaders(parts.loaders)
        await server.start()
        stack.push_async_callback(server.stop)
    background = Background()
    stack.push_async_callback(background.close)
    loader = ModelLoader(
        list(parts.storages.values()),
        background,
        work_folder=work_folder,
        module_folders=(Path.cwd(),) if options.folder is None else (options.folder, Path.cwd()),
    )
    return _Here(loader, tuple(parts.servers.values()))


async def _load(
    here: _Here, manifest: CaseManifest, options: PlayOptions, stack: AsyncExitStack
) -> ModelInstance:
    folder = options.folder or (None if manifest.folder is None else Path(manifest.folder))
    text = ManifestText(
        json.dumps(_moved(manifest, options.folder)),
        f"model '{manifest.name}' in the case",
        None if folder is None else str(folder),
    )
    (entry,) = read_manifests([text]).entries
    assert isinstance(entry.manifest, Model), "others were left out"
    spec = entry.manifest.spec.model_copy(update={"execution": "inline"})
    model = entry.manifest.model_copy(update={"spec": spec})
    server = server_with(spec.requirements, here.servers)
    if server is None:
        raise NotReadyError(
            f"model '{manifest.name}' requires {', '.join(spec.requirements)}, which no server of "
            "this process has; play the case with --models recorded"
        )
    try:
        origin = Origin(text.source, folder)
        loaded = await here.loader.load(model, origin, manifest.version, server)
    except LoadError as error:
        raise NotReadyError(
            f"model '{manifest.name}' cannot be loaded here: {error}; name the folder of its "
            "modules and files with --folder, or play the case with --models recorded"
        ) from error
    stack.push_async_callback(here.loader.unload, loaded)
    return loaded.instance


def _moved(manifest: CaseManifest, folder: Path | None) -> Mapping[str, object]:
    """The manifest, its artifacts looked for in ``folder`` where they were in the server's."""
    spec = manifest.document.get("spec")
    if folder is None or manifest.folder is None or not isinstance(spec, Mapping):
        return manifest.document
    uri = spec.get("storageUri")
    if not isinstance(uri, str) or not Path(uri).is_relative_to(manifest.folder):
        return manifest.document
    moved = str(folder.absolute() / Path(uri).relative_to(manifest.folder))
    return {**manifest.document, "spec": {**spec, "storageUri": moved}}
