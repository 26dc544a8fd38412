"""Reads manifests: from texts to typed values that break no rule."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

from pydantic import ValidationError

from penstock.core.contracts.control import ManifestText
from penstock.core.manifests.experiment_rules import proportions_of
from penstock.core.manifests.field_check import check_fields
from penstock.core.manifests.fields import SKIPPED_KINDS
from penstock.core.manifests.findings import Finding
from penstock.core.manifests.manifest_set import Entry, ManifestSet, problem_of
from penstock.core.manifests.partial import TakenOut, read_rest, sound_findings, take_out
from penstock.core.manifests.rules import findings_of
from penstock.core.manifests.seldon import differences_of
from penstock.core.manifests.set_rules import problems_among
from penstock.core.manifests.texts import texts_of
from penstock.core.nearest import did_you_mean
from penstock.core.positions import PositionedDocument, YamlValue, read_documents
from penstock.core.problems import KeyPath, Position, Problem, ProblemsError
from penstock.core.resources import (
    API_VERSIONS,
    KINDS,
    Experiment,
    Manifest,
    Model,
    Origin,
    Pipeline,
)
from penstock.core.validation import problems_of_validation

ManifestSource: TypeAlias = ManifestText | Path
"""A text with its folder, or a file, or a folder of files."""

EMPTY: Final = "there is no manifest in it: it is empty, or has nothing but comments"


def read_manifests(sources: Iterable[ManifestSource]) -> ManifestSet:
    """Read all documents of all sources as one set.

    Raises ProblemsError with every problem of every source, also when there is text and none of it
    holds a manifest; a text without any among others is a warning. What other resources they need
    is not looked for: see :meth:`ManifestSet.missing`. Relative paths become absolute from the
    folder of their text.
    """
    reader = _Reader()
    for source in sources:
        reader.take(source)
    reader.mind_empty()
    reader.problems.extend(problems_among(reader.entries))
    if reader.problems:
        raise ProblemsError(reader.problems)
    return ManifestSet(tuple(reader.entries), tuple(reader.warnings))


class _Reader:
    """Collects entries, warnings and problems over all sources."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.warnings: list[Problem] = []
        self.problems: list[Problem] = []
        self._empty: list[Problem] = []
        self._documents = 0

    def take(self, source: ManifestSource) -> None:
        try:
            texts = [source] if isinstance(source, ManifestText) else texts_of([source])
        except ProblemsError as error:
            self.problems.extend(error.problems)
            return
        for text in texts:
            try:
                documents = read_documents(text.text, text.source)
            except ProblemsError as error:
                self.problems.extend(error.problems)
                continue
            self._documents += len(documents)
            if not documents:
                self._empty.append(Problem(Position(text.source, 1, 1), "", EMPTY))
            origin = Origin(text.source, None if text.folder is None else Path(text.folder))
            for document in documents:
                self._document(document, origin)

    def mind_empty(self) -> None:
        """Tell of texts without a manifest. A file of a folder may well be commented out; nobody
        means to serve nothing at all."""
        (self.warnings if self._documents else self.problems).extend(self._empty)

    def _document(self, document: PositionedDocument, origin: Origin) -> None:
        data = document.data
        if not isinstance(data, dict):
            self._problem(
                document, (), "a manifest is a mapping with the keys kind, metadata, spec"
            )
            return
        kind = self._kind(document, data)
        if kind is None:
            return
        checked = check_fields(kind.__name__, data)
        for path in checked.foreign:
            take_out(data, path)
        broken = [problem_of(finding, document) for finding in checked.refused]
        manifest: Manifest | None
        gone = TakenOut()
        try:
            manifest = kind.model_validate(data, by_alias=True, by_name=False)
        except ValidationError as error:
            broken += problems_of_validation(error, document, kind)
            manifest, gone = read_rest(kind, data, error)
        if manifest is not None:
            findings = sound_findings(findings_of(manifest), gone)
            broken += [problem_of(finding, document) for finding in findings]
        if isinstance(manifest, Model) and manifest.has_relative_storage:
            if origin.folder is None:
                said = "the path is relative, and the manifest came without a folder"
                finding = Finding(("spec", "storageUri"), said, "write an absolute path")
                broken.append(problem_of(finding, document))
            else:
                manifest = manifest.in_folder(origin.folder)
        warnings = checked.warnings
        if isinstance(manifest, Pipeline) and not broken:
            warnings = warnings + differences_of(manifest)
        if isinstance(manifest, Experiment) and not broken:
            warnings = warnings + proportions_of(manifest)
        self.warnings += [problem_of(finding, document) for finding in warnings]
        self.problems += broken
        if manifest is not None:
            self.entries.append(Entry(manifest, origin, document, checked.without_effect))

    def _kind(
        self, document: PositionedDocument, data: dict[str, YamlValue]
    ) -> type[Manifest] | None:
        """What class the document is of; None when it is skipped or refused."""
        known = True
        # The examples of the documentation leave the version out: then it is ours.
        version = data.get("apiVersion", API_VERSIONS[0])
        if version not in API_VERSIONS:
            self._unknown(document, "apiVersion", version, API_VERSIONS)
            known = False
        kind = data.get("kind")
        if isinstance(kind, str) and kind in SKIPPED_KINDS:
            finding = Finding(("kind",), SKIPPED_KINDS[kind])
            self.warnings.append(problem_of(finding, document))
            return None
        if not isinstance(kind, str) or kind not in KINDS:
            self._unknown(document, "kind", kind, KINDS)
            return None
        return KINDS[kind] if known else None

    def _unknown(
        self, document: PositionedDocument, key: str, value: YamlValue, known: Iterable[str]
    ) -> None:
        names = tuple(known)
        choices = f"known are {', '.join(names)}"
        if value is None:
            self._problem(document, (key,), "this key is required", choices)
        elif isinstance(value, str):
            hint = did_you_mean(value, names) or choices
            self._problem(document, (key,), f"there is no {key} '{value[:60]}'", hint)
        else:
            self._problem(document, (key,), "must be text", choices)

    def _problem(
        self, document: PositionedDocument, path: KeyPath, message: str, hint: str | None = None
    ) -> None:
        self.problems.append(problem_of(Finding(path, message, hint), document))
