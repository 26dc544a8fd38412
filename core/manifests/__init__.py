"""Manifests: reading them, the rules that they keep, and what becomes of each of their fields."""

from penstock.core.manifests.fields import FIELDS, SKIPPED_KINDS
from penstock.core.manifests.manifest_set import Entry, ManifestSet, Missing
from penstock.core.manifests.needs import Need, needs_of
from penstock.core.manifests.outcomes import FieldRule, Outcome
from penstock.core.manifests.reader import ManifestSource, read_manifests
from penstock.core.manifests.rules import findings_of
from penstock.core.manifests.set_rules import circles_of_pipelines
from penstock.core.manifests.texts import texts_of

__all__ = [
    "FIELDS",
    "SKIPPED_KINDS",
    "Entry",
    "FieldRule",
    "ManifestSet",
    "ManifestSource",
    "Missing",
    "Need",
    "Outcome",
    "circles_of_pipelines",
    "findings_of",
    "needs_of",
    "read_manifests",
    "texts_of",
]
