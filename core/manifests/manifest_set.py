"""The manifests of one apply: what was read, and what is still missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from penstock.core.manifests.findings import Finding
from penstock.core.manifests.needs import Need, needs_of
from penstock.core.nearest import did_you_mean
from penstock.core.positions import PositionedDocument
from penstock.core.problems import Problem, format_path
from penstock.core.resources import Manifest, Model, Origin, Pipeline

MAX_HINTS: Final = 100
"""How many missing names are compared with all that are there: each takes milliseconds."""

ManifestT = TypeVar("ManifestT", bound=Manifest)


@dataclass(frozen=True, slots=True)
class Entry:
    """One manifest with where it stands. ``without_effect``: a sentence for each idle field."""

    manifest: Manifest
    origin: Origin
    document: PositionedDocument = field(repr=False, compare=False)
    without_effect: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Short for ``manifest.metadata.name``."""
        return self.manifest.metadata.name

    @property
    def kind(self) -> str:
        """Short for ``manifest.kind``."""
        return self.manifest.kind


@dataclass(frozen=True, slots=True)
class Missing:
    """A need of a manifest that nothing fulfils; ``nearest`` is a question, or None."""

    entry: Entry
    need: Need
    nearest: str | None

    @property
    def message(self) -> str:
        """The sentence for the status of the resource."""
        said = self.need.missing
        return f"{said}; {self.nearest}" if self.nearest else said

    @property
    def problem(self) -> Problem:
        """The same with its position, for those to whom a missing resource is an error."""
        finding = Finding(self.need.path, self.need.missing, self.nearest)
        return problem_of(finding, self.entry.document)


@dataclass(frozen=True, slots=True)
class ManifestSet:
    """Manifests that break no rule, in the order in which they are written, and the warnings."""

    entries: tuple[Entry, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def of(self, kind: type[ManifestT]) -> dict[str, ManifestT]:
        """The manifests of one kind by name."""
        return {
            entry.name: entry.manifest for entry in self.entries if isinstance(entry.manifest, kind)
        }

    @property
    def models(self) -> dict[str, Model]:
        """The models by name."""
        return self.of(Model)

    @property
    def pipelines(self) -> dict[str, Pipeline]:
        """The pipelines by name."""
        return self.of(Pipeline)

    def missing(
        self,
        known: Mapping[str, Collection[str]] | None = None,
        pipelines: Mapping[str, Pipeline] | None = None,
    ) -> list[Missing]:
        """Every need that neither this set fulfils nor ``known`` (names by kind: what is there).

        ``pipelines`` are those of ``known``: their steps may be needed. The first ``MAX_HINTS``
        names that are missing come with the nearest.
        """
        names: dict[str, set[str]] = {kind: set(there) for kind, there in (known or {}).items()}
        for entry in self.entries:
            names.setdefault(entry.kind, set()).add(entry.name)
        steps = {
            name: {step.name for step in pipeline.spec.steps}
            for name, pipeline in {**(pipelines or {}), **self.pipelines}.items()
        }
        hints: dict[tuple[str, str, str | None], str | None] = {}
        missing = []
        for entry in self.entries:
            for need in needs_of(entry.manifest):
                there: Collection[str] = names.get(need.kind, ())
                if need.within is not None:
                    if need.within not in steps:
                        continue  # that is missing already
                    there = steps[need.within]
                if need.name in there:
                    continue
                asked = (need.kind, need.name, need.within)
                if asked not in hints and len(hints) < MAX_HINTS:
                    hints[asked] = did_you_mean(need.name, there)
                missing.append(Missing(entry, need, hints.get(asked)))
        return missing


def problem_of(finding: Finding, document: PositionedDocument) -> Problem:
    """The finding with its position in ``document``."""
    position = document.position(finding.path, of_key=finding.of_key)
    return Problem(position, format_path(finding.path), finding.message, finding.hint)
