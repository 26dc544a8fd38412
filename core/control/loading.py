"""Getting one copy of a model loaded: its artifacts fetched, and its server told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.core.artifacts import ArtifactCache, ArtifactFetcher, FetchedArtifacts
from penstock.core.artifacts.fetcher import NO_ARTIFACTS, Wanted
from penstock.core.contracts.model import ModelInstance, ModelSpec, ServerAdapter
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.control.background import Background
from penstock.core.control.reasons import Reason
from penstock.core.errors import NotFoundError, PenstockError
from penstock.core.resources import Model, Origin

_log = logging.getLogger(__name__)


class LoadError(Exception):
    """A version cannot be loaded: ``reason`` is one word for the status, the text a sentence.

    ``retriable`` says whether trying again may help.
    """

    def __init__(self, reason: Reason, message: str, *, retriable: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.retriable = retriable


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """One loaded copy. ``artifacts`` are what was fetched for it."""

    version: int
    instance: ModelInstance
    server: ServerAdapter
    artifacts: FetchedArtifacts


class ModelLoader:
    """Loads copies of models on servers.

    ``storages`` are asked in their order. ``work_folder`` is its own, for what is not fetched into
    ``cache``; ``module_folders`` are looked in for Python modules after the manifest's own.
    """

    def __init__(
        self,
        storages: Sequence[ArtifactStorage],
        background: Background,
        *,
        work_folder: Path,
        module_folders: tuple[Path, ...] = (),
        cache: ArtifactCache | None = None,
    ) -> None:
        self._storages = storages
        self._background = background
        self._fetcher = ArtifactFetcher(work_folder, cache)
        self._module_folders = module_folders
        self._unclaimed: dict[asyncio.Task[ModelInstance], ServerAdapter] = {}
        self._undoing: dict[tuple[ServerAdapter, str, int], asyncio.Task[None]] = {}

    async def load(
        self, model: Model, origin: Origin, version: int, server: ServerAdapter
    ) -> LoadedModel:
        """Load one version beside whatever is loaded. Raises LoadError.

        May be cancelled: what was begun is then undone in the background (:meth:`undone`).
        """
        fetched = NO_ARTIFACTS
        loading: asyncio.Task[ModelInstance] | None = None
        what = f"model '{model.name}', version {version}"
        try:
            fetched = await self._fetch(model, server)
            spec = await self._spec(model, origin, version, server, fetched.path)
            loading = self._background.spawn(server.load(spec), f"loading {what}")
            self._unclaimed[loading] = server
            # Nobody can take back half a load: one that is cancelled is left to end, and unloaded.
            instance = await asyncio.shield(loading)
            del self._unclaimed[loading]
        except BaseException as error:
            undoing = self._background.spawn(self._undo(fetched, loading), f"undoing {what}")
            self._undoing[server, model.name, version] = undoing
            undoing.add_done_callback(
                lambda _: self._undoing.pop((server, model.name, version), None)
            )
            if isinstance(error, PenstockError):
                raise LoadError(
                    Reason.LOAD_FAILED, error.message, retriable=error.retriable
                ) from error
            if isinstance(error, Exception) and not isinstance(error, LoadError):
                _log.exception("loading %s raised an error that it should not raise", what)
                raise LoadError(Reason.LOAD_FAILED, f"{type(error).__name__}: {error}") from error
            raise
        return LoadedModel(version, instance, server, fetched)

    async def undone(self, model: str, version: int, server: ServerAdapter) -> None:
        """Return when nothing is left on a server of a load that was cancelled or failed."""
        undoing = self._undoing.get((server, model, version))
        if undoing is not None:
            await asyncio.wait([undoing])

    async def unload(self, loaded: LoadedModel) -> None:
        """Unload a copy that nothing calls any more."""
        try:
            await loaded.server.unload(loaded.instance)
        finally:
            await loaded.artifacts.release()

    async def close(self) -> None:
        """Unload what was loaded for nobody; the tasks in the background have ended."""
        for loading in list(self._unclaimed):
            await self._unload_unclaimed(loading)

    async def _undo(
        self, fetched: FetchedArtifacts, loading: asyncio.Task[ModelInstance] | None
    ) -> None:
        try:
            if loading is not None:
                await asyncio.wait([loading])
                await self._unload_unclaimed(loading)
        finally:
            await fetched.release()

    async def _unload_unclaimed(self, loading: asyncio.Task[ModelInstance]) -> None:
        server = self._unclaimed.pop(loading)
        if not loading.cancelled() and loading.exception() is None:
            await server.unload(loading.result())

    async def _spec(
        self,
        model: Model,
        origin: Origin,
        version: int,
        server: ServerAdapter,
        artifacts: Path | None,
    ) -> ModelSpec:
        if server.fetches:
            return replace(model_spec(model, origin, version), manifest=model.document())
        if artifacts is not None:
            artifacts = await asyncio.to_thread(of_artifact_version, model, artifacts)
        return model_spec(
            model, origin, version, artifacts=artifacts, module_folders=self._module_folders
        )

    async def _fetch(self, model: Model, server: ServerAdapter) -> FetchedArtifacts:
        address = model.spec.artifact_address
        if address is None or server.fetches:
            return NO_ARTIFACTS
        storage = storage_of(address, self._storages)
        if storage is None:
            raise LoadError(
                Reason.NO_STORAGE,
                f"no storage knows addresses like '{address}'; correct spec.storageUri, "
                "or install the storage that does",
            )
        return await self._fetcher.fetch(Wanted(storage, address, model.spec.declared_digest))


def server_with(
    requirements: Iterable[str], servers: Iterable[ServerAdapter]
) -> ServerAdapter | None:
    """The first server that has all capabilities which a model requires."""
    wanted = frozenset(requirements)
    return next((each for each in servers if wanted <= each.capabilities()), None)


def storage_of(uri: str, storages: Iterable[ArtifactStorage]) -> ArtifactStorage | None:
    """The first storage that handles an address."""
    return next((storage for storage in storages if storage.handles(uri)), None)


def of_artifact_version(model: Model, artifacts: Path) -> Path:
    """The part of a model's artifacts that its manifest asks for. Raises NotFoundError."""
    version = model.spec.artifact_version
    if version is None:
        return artifacts
    numbered = artifacts / str(version)
    if not numbered.exists():
        raise NotFoundError(
            f"'{model.spec.storage_uri}' holds no '{version}', which spec.artifactVersion asks for"
        )
    return numbered


def model_spec(
    model: Model,
    origin: Origin,
    version: int,
    *,
    artifacts: Path | None = None,
    module_folders: Iterable[Path] = (),
) -> ModelSpec:
    """What a server is told of a model; ``module_folders`` come after the manifest's own."""
    declared = model.spec
    own = () if origin.folder is None else (origin.folder,)
    return ModelSpec(
        name=model.name,
        version=version,
        artifacts=artifacts,
        python=declared.python,
        folders=(*own, *module_folders),
        requirements=declared.requirements,
        parameters=declared.parameters,
        execution=declared.execution,
        concurrency=declared.concurrency,
        signature=declared.signature,
        memory_bytes=declared.memory,
        explains=None if declared.explainer is None else declared.explainer.explains,
    )
