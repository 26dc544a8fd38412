"""What is known of models before they are loaded, for ``penstock check``."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from penstock.core.contracts.model import Loader, ServerAdapter
from penstock.core.control.loading import (
    model_spec,
    of_artifact_version,
    storage_of,
)
from penstock.core.errors import NotReadyError, PenstockError
from penstock.core.manifests import Entry, ManifestSet
from penstock.core.manifests.findings import Finding
from penstock.core.manifests.manifest_set import problem_of
from penstock.core.plugins.plugins import Plugins
from penstock.core.problems import Problem
from penstock.core.resources import Model, Server
from penstock.core.signature import Signature


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A server that models may go to, not started, and what they may require of it."""

    adapter: ServerAdapter
    words: frozenset[str]


class KnownSignatures:
    """The signatures of the models of some manifests, from declarations, annotations, and artifacts
    that are files of this machine (unless ``artifacts`` is False). Models of servers that these
    manifests declare are looked at as those would.

    ``problems`` are what a server would refuse a model for, ``warnings`` what cannot be looked at
    here. Imports the modules of Python models, and makes none of them.
    """

    def __init__(self, manifests: ManifestSet, plugins: Plugins, *, artifacts: bool = True) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._by_model: dict[str, Signature | None] = {}
        names = plugins.storages.names() if artifacts else []
        self._storages = [plugins.make(plugins.storages, name) for name in names]
        self._explainers = plugins.explainers
        self._own = _own_servers(plugins)
        self._declared = self._declared_servers(manifests, plugins)
        for entry in manifests.entries:
            if isinstance(entry.manifest, Model):
                self._by_model[entry.name] = self._look_at(entry, entry.manifest)

    def get(self, model: str) -> Signature | None:
        """The signature of a model, None where nothing is known."""
        return self._by_model.get(model)

    def _look_at(self, entry: Entry, model: Model) -> Signature | None:
        declared = model.spec.signature
        self._check_explainer(entry, model)
        path = ("spec", "storageUri" if model.spec.python is None else "python")
        try:
            artifacts = self._artifacts(model)
        except PenstockError as error:
            finding = Finding(("spec", "storageUri"), error.message)
            self.problems.append(problem_of(finding, entry.document))
            return declared
        server = self._server_of(model)
        if server is None:
            return declared
        if model.spec.server not in (None, *self._own):
            artifacts = None  # what that server makes of them is not known here
        spec = model_spec(model, entry.origin, 1, artifacts=artifacts, module_folders=(Path.cwd(),))
        try:
            # What modules print while they are imported is none of the command's output.
            with redirect_stdout(sys.stderr):
                return server.adapter.signature(spec)
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

    def _check_explainer(self, entry: Entry, model: Model) -> None:
        if model.spec.explainer is None:
            return
        try:
            self._explainers.get(model.spec.explainer.type)
        except PenstockError as error:
            finding = Finding(("spec", "explainer", "type"), error.message)
            self.problems.append(problem_of(finding, entry.document))

    def _server_of(self, model: Model) -> _Candidate | None:
        """The server that a model goes to, as far as that can be told; first those of the
        process."""
        named = self._declared.get(model.spec.server or "")
        if named is not None:
            return named
        wanted = frozenset(model.spec.requirements)
        candidates = (*self._own.values(), *self._declared.values())
        return next((each for each in candidates if wanted <= each.words), None)

    def _declared_servers(self, manifests: ManifestSet, plugins: Plugins) -> dict[str, _Candidate]:
        """One replica of each server that the manifests declare of a kind that is installed."""
        known = plugins.server_adapters.names()
        declared = {}
        for entry in manifests.entries:
            server = entry.manifest
            if not isinstance(server, Server) or server.spec.server_config not in known:
                continue
            spec = server.spec
            try:
                adapter = plugins.make_with(
                    plugins.server_adapters, spec.server_config, spec.options
                )
            except PenstockError as error:
                said = "; ".join((error.message, *error.details))
                finding = Finding(("spec", "options"), said)
                self.problems.append(problem_of(finding, entry.document))
                continue
            adapter.use_loaders(_loaders(plugins))
            words = frozenset(spec.capabilities) or adapter.capabilities()
            words |= frozenset(spec.extra_capabilities)
            declared[entry.name] = _Candidate(adapter, words)
        return declared

    def _artifacts(self, model: Model) -> Path | None:
        """Where the artifacts of a model are, if they are here."""
        address = model.spec.artifact_address
        storage = None if address is None else storage_of(address, self._storages)
        artifacts = None if address is None or storage is None else storage.local(address)
        return None if artifacts is None else of_artifact_version(model, artifacts)


def _own_servers(plugins: Plugins) -> dict[str, _Candidate]:
    found = {}
    for name in plugins.own_servers:
        adapter = plugins.make(plugins.server_adapters, name)
        adapter.use_loaders(_loaders(plugins))
        found[name] = _Candidate(adapter, adapter.capabilities())
    return found


def _loaders(plugins: Plugins) -> dict[str, Loader]:
    return {name: plugins.make(plugins.loaders, name) for name in plugins.loaders.names()}
