"""Resources: models, pipelines, servers, experiments and explainers as frozen typed values."""

from penstock.core.resources.digest import NO_FILES, Digest
from penstock.core.resources.experiment import (
    Candidate,
    Experiment,
    ExperimentDeclaration,
    Mirror,
)
from penstock.core.resources.explainer import Explainer
from penstock.core.resources.kinds import KINDS
from penstock.core.resources.manifest import API_VERSIONS, Manifest
from penstock.core.resources.metadata import Metadata
from penstock.core.resources.model import Model, ModelDeclaration
from penstock.core.resources.pipeline import (
    Output,
    Pipeline,
    PipelineDeclaration,
    PipelineInput,
)
from penstock.core.resources.resource import (
    Origin,
    Resource,
    content_of,
    create,
    means_another,
    sized_as,
    update,
)
from penstock.core.resources.server import Server, ServerDeclaration
from penstock.core.resources.status import READY, WITHOUT_EFFECT, Condition, Status
from penstock.core.resources.step import Batch, Step

__all__ = [
    "API_VERSIONS",
    "KINDS",
    "NO_FILES",
    "READY",
    "WITHOUT_EFFECT",
    "Batch",
    "Candidate",
    "Condition",
    "Digest",
    "Experiment",
    "ExperimentDeclaration",
    "Explainer",
    "Manifest",
    "Metadata",
    "Mirror",
    "Model",
    "ModelDeclaration",
    "Origin",
    "Output",
    "Pipeline",
    "PipelineDeclaration",
    "PipelineInput",
    "Resource",
    "Server",
    "ServerDeclaration",
    "Status",
    "Step",
    "content_of",
    "create",
    "means_another",
    "sized_as",
    "update",
]
