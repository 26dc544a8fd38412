"""Versions of pipelines, and whether they fit, within themselves and to others that they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from penstock.core.control.store import ResourceKey
from penstock.core.joinspec import JoinFactories
from penstock.core.manifests.externals import external_sources, missing_step, refusal_of
from penstock.core.plan import Plan, Recording
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.port_types import (
    PipelineTypes,
    TypesOf,
    external_findings,
    infer_types,
    sentences_of,
)
from penstock.core.records import Port
from penstock.core.resources import Pipeline
from penstock.core.signature import Signature


class ReadBy(NamedTuple):
    """What others read of a pipeline: the ports, and who matches their records by key."""

    ports: frozenset[Port] = frozenset()
    matchers: tuple[str, ...] = ()


class PipelineVersion(NamedTuple):
    """One version, compiled: ``joins``, ``record``, ``followed`` and ``partitions`` are what that
    takes beside the manifest.

    ``hints`` has a question for models that were not there (``did you mean ...?``).
    """

    pipeline: Pipeline
    plan: Plan
    joins: JoinFactories
    record: Recording
    followed: bool
    hints: Mapping[str, str]
    partitions: int = 1

    def read_by_others(self, read: ReadBy, *, over_streams: bool) -> Plan:
        """The plan that emits what these of its ports hold as well, as its readers need it."""
        if not read.ports:
            return self.plan
        version = self.plan.version
        return compile_pipeline(
            self.pipeline,
            version,
            self.joins,
            record=self.record,
            read=read.ports,
            matched=over_streams and bool(read.matchers),
            followed=self.followed,
            partitions=self.partitions,
        )


class ServedModels(Protocol):
    """What pipelines ask about models."""

    def serves(self, name: str) -> bool:
        """Whether some version of the model can be called."""

    def signature(self, name: str) -> Signature | None:
        """That of the version that serves, as far as it is known."""

    def reconsider(self, changed: Iterable[str]) -> None:
        """Try versions again that were refused for what is between them and these models."""

    def explained_changed(self, key: ResourceKey) -> None:
        """A pipeline that may be explained came, went or stands differently."""


def misfits(pipeline: Pipeline, types: PipelineTypes, types_of: TypesOf) -> list[str]:
    """What does not fit within a pipeline, and along its edges from others."""
    return types.sentences + sentences_of(external_findings(pipeline, types, types_of))


def unreadable(reader: Pipeline, source: PipelineVersion) -> list[str]:
    """Why a pipeline cannot read ports of this version of another that it names."""
    said = []
    other = source.pipeline
    for each, _ in external_sources(reader):
        if each.pipeline == other.name:
            refusal = refusal_of(each, reader, other, record=source.record)
            reason = missing_step(each, other) or (refusal.message if refusal else None)
            if reason is not None and reason not in said:
                said.append(reason)
    return said


def why_not_read(
    reader: PipelineVersion,
    source: PipelineVersion,
    models: ServedModels,
    types_of: TypesOf,
) -> str:
    """Why a version of a pipeline cannot read this version of another; empty when it can."""
    said = unreadable(reader.pipeline, source)
    if not said:
        types = infer_types(reader.pipeline, models.signature)
        said = sentences_of(external_findings(reader.pipeline, types, types_of))
    return "; ".join(said)
