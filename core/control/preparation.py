"""What an apply checks before anything changes: everything that can be wrong with its documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from penstock.core.contracts.control import Change, ManifestText
from penstock.core.control.model_files import ModelFiles
from penstock.core.control.standing import load_failed
from penstock.core.control.store import ResourceKey, ResourceStore
from penstock.core.control.versions import PipelineVersion
from penstock.core.database import SavedResource
from penstock.core.joinspec import JoinFactories
from penstock.core.manifests import (
    Entry,
    ManifestSet,
    Missing,
    read_manifests,
)
from penstock.core.manifests.externals import external_sources, missing_step, refusal_of
from penstock.core.manifests.findings import Finding
from penstock.core.manifests.manifest_set import problem_of
from penstock.core.manifests.needs import needs_of
from penstock.core.manifests.set_rules import (
    circle_said,
    circles_of_experiments,
    circles_of_pipelines,
    doubled_defaults,
    explained_pipeline,
    finding_of_circle,
)
from penstock.core.plan import Recording
from penstock.core.plan.compiler import PlanError, compile_pipeline
from penstock.core.positions import PositionedDocument
from penstock.core.problems import KeyPath, Position, Problem, ProblemsError, format_path
from penstock.core.references import Source
from penstock.core.resources import (
    KINDS,
    NO_FILES,
    Digest,
    Experiment,
    Manifest,
    Model,
    Pipeline,
    Server,
    means_another,
    update,
)

TRIED_AGAIN: Final = "it could not be loaded, and is tried again"

OptionsCheck: TypeAlias = Callable[
    [str, Mapping[str, object], PositionedDocument, KeyPath], list[Problem]
]
"""What is wrong with the options of a kind of server that are written in a document, at a path;
nothing of kinds that are not known here."""


def unchecked(
    kind: str, options: Mapping[str, object], document: PositionedDocument, at: KeyPath
) -> list[Problem]:
    """Finds nothing wrong."""
    return []


Action: TypeAlias = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class PreparedEntry:
    """One document that may be recorded. ``compiled`` is there for a new version of a
    pipeline, ``because`` where the manifest alone does not say what has changed, or is done;
    ``before`` is what stood there."""

    entry: Entry
    action: Action
    version: int
    is_new_version: bool
    warnings: tuple[str, ...]
    compiled: PipelineVersion | None = None
    digest: Digest = NO_FILES
    because: str = ""
    before: Manifest | None = None

    @property
    def key(self) -> ResourceKey:
        """Which resource it is."""
        return ResourceKey(self.entry.kind, self.entry.name)

    def saved(self) -> SavedResource:
        """What is to outlive the process."""
        entry = self.entry
        return SavedResource(entry.manifest, entry.origin, self.version, entry.without_effect)

    def change(self) -> Change:
        """What the caller is told."""
        key = self.key
        said = Change(key.kind, key.name, self.action, self.version, self.warnings, self.because)
        if self.action == "unchanged":
            return said
        before = None if self.before is None else self.before.document()
        return replace(said, before=before, after=self.entry.manifest.document())


@dataclass(frozen=True, slots=True)
class Preparation:
    """Checks the documents of one apply as one set.

    ``store`` is read from another thread than the event loop's: of what changes meanwhile, only
    specs matter here, and their changes wait for each other. ``namespace`` is that of the runtime,
    None while nothing has named one.
    """

    store: ResourceStore
    joins: JoinFactories
    record: Recording
    followed: bool
    namespace: str | None
    files: ModelFiles
    options: OptionsCheck = unchecked
    partitions: int = 1

    def prepare(self, texts: Sequence[ManifestText]) -> list[PreparedEntry]:
        """Read and check; blocks for as long as that takes. Raises ProblemsError with all that is
        wrong."""
        manifests = read_manifests(texts)
        known = {kind: list(self.store.by_name(kind)) for kind in KINDS}
        there = self._pipelines_there()
        findings = _Findings(manifests, manifests.missing(known, there))
        problems = self._circles(manifests)
        problems += self._among_experiments(manifests)
        problems += self._external_sources(manifests, there)
        prepared = []
        for entry in manifests.entries:
            problems += self._strangers(entry)
            problems += self._wrong_options(entry)
            try:
                prepared.append(self._entry(entry, findings))
            except PlanError as error:
                problems += _positioned(error, entry)
        if problems:
            raise ProblemsError(problems)
        return prepared

    def restore(self, resources: Iterable[SavedResource]) -> list[PreparedEntry]:
        """What was prepared and recorded before, in the life of another process.

        Raises ProblemsError with what cannot be had without plug-ins that were there then.
        """
        problems: list[Problem] = []
        restored = []
        for each in resources:
            document = PositionedDocument.empty(each.origin.source)
            entry = Entry(each.manifest, each.origin, document, each.idle)
            try:
                compiled = self._compiled(each.manifest, each.version, {})
            except PlanError as error:
                problems += _positioned(error, entry)
                continue
            digest = self.files.digest(each.manifest, each.origin)
            restored.append(
                PreparedEntry(entry, "created", each.version, True, (), compiled, digest)
            )
        if problems:
            raise ProblemsError(problems)
        return restored

    def _circles(self, manifests: ManifestSet) -> list[Problem]:
        """Circles that close through what is there; others are refused by the set."""
        entries = manifests.entries
        models = self._explainers_there()
        new = manifests.pipelines.values()
        needs = (need for pipeline in new for need in needs_of(pipeline))
        if not any(map(explained_pipeline, manifests.models.values())) and not any(
            need.kind == "Pipeline" or need.name in models for need in needs
        ):
            return []
        pipelines = self._pipelines_there() | manifests.pipelines
        models |= manifests.models
        problems = []
        for circle in circles_of_pipelines(pipelines.values(), models.values()):
            closing = _closing(circle, entries)
            if closing is not None:
                path = ("metadata", "name")
                position = closing.document.position(path)
                problems.append(Problem(position, format_path(path), circle_said(circle)))
        return problems

    def _among_experiments(self, manifests: ManifestSet) -> list[Problem]:
        """What new experiments and those that are there cannot be together; what is so of new
        ones alone is refused by the set."""
        new = {entry.name: entry for entry in manifests.entries if entry.kind == "Experiment"}
        if not new:
            return []
        there = {name: each.manifest for name, each in self.store.by_name("Experiment").items()}
        everything = {**there, **{name: entry.manifest for name, entry in new.items()}}
        experiments = [each for each in everything.values() if isinstance(each, Experiment)]
        problems = []
        for circle in circles_of_experiments(experiments):
            closing = next((new[name] for name in circle if name in new), None)
            if closing is not None and not new.keys() >= set(circle):
                problems.append(problem_of(finding_of_circle(circle), closing.document))
        # Those that stay as they are come first, so that what is found is found of new ones.
        staying = [each for each in experiments if each.name not in new]
        coming = [each for each in experiments if each.name in new]
        for name, finding in doubled_defaults([*staying, *coming]):
            if name in new:
                problems.append(problem_of(finding, new[name].document))
        return problems

    def _explainers_there(self) -> dict[str, Model]:
        """The explainers that were applied before."""
        manifests = (resource.manifest for resource in self.store.by_name("Model").values())
        return {
            each.name: each
            for each in manifests
            if isinstance(each, Model) and each.spec.explainer is not None
        }

    def _pipelines_there(self) -> dict[str, Pipeline]:
        """The pipelines that were applied before."""
        manifests = (resource.manifest for resource in self.store.by_name("Pipeline").values())
        return {each.name: each for each in manifests if isinstance(each, Pipeline)}

    def _external_sources(
        self, manifests: ManifestSet, there: Mapping[str, Pipeline]
    ) -> list[Problem]:
        """Ports that cannot be read, where reader and source do not both stand in the set, or one
        keeps what is configured."""
        entries = {entry.name: entry for entry in manifests.entries if entry.kind == "Pipeline"}
        everything = {**there, **manifests.pipelines}
        problems = []
        for reader in everything.values():
            for source, path in external_sources(reader):
                other = everything.get(source.pipeline)
                if other is None:
                    continue
                entry = entries.get(reader.name)
                if entry is not None:
                    refusal = refusal_of(source, reader, other, record=self.record)
                    if refusal is not None:
                        problems.append(problem_of(Finding(path, *refusal), entry.document))
                elif source.pipeline in entries:
                    said = self._breaks(source, reader, other, there.get(source.pipeline))
                    if said is not None:
                        finding = Finding(("metadata", "name"), said)
                        document = entries[source.pipeline].document
                        problems.append(problem_of(finding, document))
        return problems

    def _breaks(
        self, source: Source, reader: Pipeline, other: Pipeline, before: Pipeline | None
    ) -> str | None:
        """Why a new version of a pipeline cannot be, for the sake of one that reads it."""
        refusal = refusal_of(source, reader, other, record=self.record)
        reason = None if refusal is None else refusal.message
        # What was not there before is missing as it was.
        if before is not None and missing_step(source, before) is None:
            reason = missing_step(source, other) or reason
        return reason and f"pipeline '{reader.name}' reads '{source}': {reason}"

    def _entry(self, entry: Entry, findings: _Findings) -> PreparedEntry:
        key = ResourceKey(entry.kind, entry.name)
        old = self.store.get(key)
        digest = self.files.digest(entry.manifest, entry.origin)
        because = ""
        if old is None:
            action: Action = "created"
            version = self.store.next_version(key)
        else:
            new = update(old, entry.manifest, entry.origin, revision=0, now_ms=0.0, digest=digest)
            action = "unchanged" if new is old else "changed"
            version = new.status.version
            if not means_another(old, entry.manifest, entry.origin):
                because = digest.changed_since(old.digest)
            if action == "unchanged" and entry.kind == "Model" and load_failed(old.status):
                because = TRIED_AGAIN
        is_new = old is None or version != old.status.version
        compiled = None
        if is_new:
            compiled = self._compiled(entry.manifest, version, findings.hints(entry))
        warnings = findings.warnings(entry)
        before = None if old is None else old.manifest
        return PreparedEntry(
            entry, action, version, is_new, warnings, compiled, digest, because, before
        )

    def _compiled(
        self, manifest: Manifest, version: int, hints: Mapping[str, str]
    ) -> PipelineVersion | None:
        """A version of a pipeline; None for other kinds. Raises PlanError."""
        if not isinstance(manifest, Pipeline):
            return None
        record = manifest.spec.record or self.record
        plan = compile_pipeline(
            manifest,
            version,
            self.joins,
            record=record,
            followed=self.followed,
            partitions=self.partitions,
        )
        return PipelineVersion(
            manifest, plan, self.joins, record, self.followed, hints, self.partitions
        )

    def _wrong_options(self, entry: Entry) -> list[Problem]:
        """Of a server, what its kind does not take."""
        if not isinstance(entry.manifest, Server):
            return []
        spec = entry.manifest.spec
        return self.options(spec.server_config, spec.options, entry.document, ("spec", "options"))

    def _strangers(self, entry: Entry) -> list[Problem]:
        namespace = entry.manifest.metadata.namespace
        if namespace is None or self.namespace is None or namespace == self.namespace:
            return []
        path = ("metadata", "namespace")
        said = f"the namespace '{namespace}' is not that of this runtime ('{self.namespace}')"
        position = entry.document.position(path)
        return [Problem(position, format_path(path), said, "one runtime serves one namespace")]


@dataclass(slots=True)
class _Findings:
    """What is worth a warning, by the document that it is about."""

    manifests: ManifestSet
    missing: list[Missing]
    _by_entry: dict[ResourceKey, list[str]] = field(default_factory=dict)
    _hints: dict[ResourceKey, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for problem in self.manifests.warnings:
            about = self._entry_at(problem.position)
            if about is not None:
                self._warn(about, str(problem))
        for missing in self.missing:
            self._warn(missing.entry, str(missing.problem))
            if missing.nearest is not None:
                key = ResourceKey(missing.entry.kind, missing.entry.name)
                self._hints.setdefault(key, {})[missing.need.name] = missing.nearest

    def warnings(self, entry: Entry) -> tuple[str, ...]:
        return tuple(self._by_entry.get(ResourceKey(entry.kind, entry.name), ()))

    def hints(self, entry: Entry) -> Mapping[str, str]:
        return self._hints.get(ResourceKey(entry.kind, entry.name), {})

    def _warn(self, entry: Entry, sentence: str) -> None:
        self._by_entry.setdefault(ResourceKey(entry.kind, entry.name), []).append(sentence)

    def _entry_at(self, position: Position) -> Entry | None:
        """The document that a position lies in; for one that was skipped, the one before it."""
        before = [
            entry
            for entry in self.manifests.entries
            if entry.origin.source == position.source and entry.document.position(()) <= position
        ]
        return before[-1] if before else next(iter(self.manifests.entries), None)


def _closing(circle: tuple[str, ...], entries: Iterable[Entry]) -> Entry | None:
    """The first document that has part in a circle of pipelines."""
    for entry in entries:
        manifest = entry.manifest
        if isinstance(manifest, Pipeline) and entry.name in circle:
            return entry
        if isinstance(manifest, Model) and explained_pipeline(manifest) in circle:
            return entry
    return None


def _positioned(error: PlanError, entry: Entry) -> list[Problem]:
    return [
        Problem(entry.document.position(path), format_path(path), said)
        for path, said in error.problems
    ]
