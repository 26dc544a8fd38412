"""The manifests of the models that an agent has loaded, for the cases that are made of requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penstock.core.artifacts import ArtifactCache
from penstock.core.cases import CaseManifest
from penstock.core.contracts.model import ServerAdapter
from penstock.core.contracts.storage import ArtifactStorage
from penstock.core.control.background import Background
from penstock.core.control.loading import LoadedModel, ModelLoader
from penstock.core.resources import Model, Origin


class KnownModels(ModelLoader):
    """Loads, and remembers what: who has an agent has no control plane that would know."""

    def __init__(
        self,
        storages: Sequence[ArtifactStorage],
        background: Background,
        *,
        work_folder: Path,
        module_folders: tuple[Path, ...] = (),
        cache: ArtifactCache | None = None,
    ) -> None:
        super().__init__(
            storages,
            background,
            work_folder=work_folder,
            module_folders=module_folders,
            cache=cache,
        )
        self._manifests: dict[str, CaseManifest] = {}

    def manifest(self, kind: str, name: str) -> CaseManifest | None:
        """The manifest of a model that was loaded here, None of all else."""
        return self._manifests.get(name) if kind.lower() == "model" else None

    async def load(
        self, model: Model, origin: Origin, version: int, server: ServerAdapter
    ) -> LoadedModel:
        loaded = await super().load(model, origin, version, server)
        folder = None if origin.folder is None else str(origin.folder)
        self._manifests[model.name] = CaseManifest(model.document(), version, folder)
        return loaded
