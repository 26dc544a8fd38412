"""What is known of models before they are loaded, for ``penstock check``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from penstock.core.contracts.model import ServerAdapter
from penstock.core.control.loading import (
    model_spec,
    of_artifact_version,
    server_with,
    storage_of,
)
from penstock.core.errors import NotReadyError, PenstockError
from penstock.core.manifests import Entry, ManifestSet
from penstock.core.manifests.findings import Finding
from penstock.core.manifests.manifest_set import problem_of
from penstock.core.plugins.plugins import Plugins
from penstock.core.problems import Problem
from penstock.core.resources import Model
from penstock.core.signature import Signature


class KnownSignatures:
    """The signatures of the models of some manifests, from declarations, annotations, and artifacts
    that are files of this machine (unless ``artifacts`` is False).

    ``problems`` are what a server would refuse a model for, ``warnings`` what cannot be looked at
    here. Imports the modules of Python models, and makes none of them.
    """

    def __init__(self, manifests: ManifestSet, plugins: Plugins, *, artifacts: bool = True) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._by_model: dict[str, Signature | None] = {}
        names = plugins.storages.names() if artifacts else []
        self._own_servers = plugins.own_servers
        self._storages = [plugins.make(plugins.storages, name) for name in names]
        servers = _servers(plugins)
        for entry in manifests.entries:
            if isinstance(entry.manifest, Model):
                self._by_model[entry.name] = self._look_at(entry, entry.manifest, servers)

    def get(self, model: str) -> Signature | None:
        """The signature of a model, None where nothing is known."""
        return self._by_model.get(model)

    def _look_at(
        self, entry: Entry, model: Model, servers: Sequence[ServerAdapter]
    ) -> Signature | None:
        declared = model.spec.signature
        path = ("spec", "storageUri" if model.spec.python is None else "python")
        try:
            artifacts = self._artifacts(model)
        except PenstockError as error:
            finding = Finding(("spec", "storageUri"), error.message)
            self.problems.append(problem_of(finding, entry.document))
            return declared
        server = server_with(model.spec.requirements, servers)
        if server is None:
            return declared
        if model.spec.server is not None and model.spec.server not in self._own_servers:
            artifacts = None  # what that server makes of them is not known here
        spec = model_spec(model, entry.origin, 1, artifacts=artifacts, module_folders=(Path.cwd(),))
        try:
            # What modules print while they are imported is none of the command's output.
            with redirect_stdout(sys.stderr):
                return server.signature(spec)
        except NotReadyError as error:
            said = error.message
        except PenstockError as error:
            self.problems.append(problem_of(Finding(path, error.message), entry.document))
            return declared
        except Exception as error:  # of a plug-in, or of a model's code that it looks at
            said = f"the model cannot be looked at: {type(error).__name__}: {error}"
        finding = Finding(path, f"{said}; its signature is not known here")
        self.warnings.append(problem_of(finding, entry.document))
        return declared

    def _artifacts(self, model: Model) -> Path | None:
        """Where the artifacts of a model are, if they are here."""
        address = model.spec.artifact_address
        storage = None if address is None else storage_of(address, self._storages)
        artifacts = None if address is None or storage is None else storage.local(address)
        return None if artifacts is None else of_artifact_version(model, artifacts)


def _servers(plugins: Plugins) -> list[ServerAdapter]:
    loaders = {name: plugins.make(plugins.loaders, name) for name in plugins.loaders.names()}
    servers = [plugins.make(plugins.server_adapters, name) for name in plugins.own_servers]
    for server in servers:
        server.use_loaders(loaders)
    return servers
