"""What a manifest needs of other resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from penstock.core.manifests.externals import external_sources
from penstock.core.problems import KeyPath
from penstock.core.resources import Experiment, Manifest, Model, Pipeline, Step

NeededKind: TypeAlias = Literal["Model", "Pipeline", "Experiment", "Server", "Step"]


_KINDS_OF_CANDIDATES: Final[dict[str, NeededKind]] = {
    "model": "Model",
    "pipeline": "Pipeline",
    "experiment": "Experiment",
}


class Need(NamedTuple):
    """One resource that must be there; ``path`` is where the manifest names it.

    A step that is needed is one of the pipeline ``within``.
    """

    kind: NeededKind
    name: str
    path: KeyPath
    within: str | None = None

    @property
    def missing(self) -> str:
        """The sentence that it is not there."""
        said = f"there is no {self.kind.lower()} '{self.name}'"
        return said if self.within is None else f"{said} in pipeline '{self.within}'"


def needs_of(manifest: Manifest) -> list[Need]:
    """What ``manifest`` needs, in the order in which it is written."""
    if isinstance(manifest, Pipeline):
        return list(_needs_of_pipeline(manifest))
    if isinstance(manifest, Model):
        return list(_needs_of_model(manifest))
    if isinstance(manifest, Experiment):
        return list(_needs_of_experiment(manifest))
    return []


def _needs_of_pipeline(pipeline: Pipeline) -> Iterator[Need]:
    for index, step in enumerate(pipeline.spec.steps):
        yield _need_of_step(step, ("spec", "steps", index))
    for source, path in external_sources(pipeline):
        yield Need("Pipeline", source.pipeline, path)
        if source.step is not None:
            yield Need("Step", source.step, path, source.pipeline)


def _need_of_step(step: Step, at: KeyPath) -> Need:
    if step.pipeline is not None:
        return Need("Pipeline", step.pipeline, (*at, "pipeline"))
    return Need("Model", step.model_name, (*at, "name" if step.model is None else "model"))


def _needs_of_model(model: Model) -> Iterator[Need]:
    if model.spec.server is not None:
        yield Need("Server", model.spec.server, ("spec", "server"))
    explainer = model.spec.explainer
    if explainer is not None:
        if explainer.model_ref is not None:
            yield Need("Model", explainer.model_ref, ("spec", "explainer", "modelRef"))
        if explainer.pipeline_ref is not None:
            yield Need("Pipeline", explainer.pipeline_ref, ("spec", "explainer", "pipelineRef"))


def _needs_of_experiment(experiment: Experiment) -> Iterator[Need]:
    spec = experiment.spec
    kind = _KINDS_OF_CANDIDATES[spec.resource_type]
    for index, candidate in enumerate(spec.candidates):
        yield Need(kind, candidate.name, ("spec", "candidates", index, "name"))
    if spec.mirror is not None:
        yield Need(kind, spec.mirror.name, ("spec", "mirror", "name"))
