"""The rules of every kind, behind one function."""

from __future__ import annotations

from penstock.core.manifests.experiment_rules import findings_of_experiment
from penstock.core.manifests.findings import Finding
from penstock.core.manifests.model_rules import findings_of_model
from penstock.core.manifests.pipeline_rules import findings_of_pipeline
from penstock.core.manifests.server_rules import findings_of_server
from penstock.core.resources import Experiment, Manifest, Model, Pipeline, Server


def findings_of(manifest: Manifest) -> list[Finding]:
    """Everything that is wrong with ``manifest`` on its own, other resources not looked at."""
    if isinstance(manifest, Pipeline):
        return findings_of_pipeline(manifest)
    if isinstance(manifest, Model):
        return findings_of_model(manifest)
    if isinstance(manifest, Server):
        return findings_of_server(manifest)
    if isinstance(manifest, Experiment):
        return findings_of_experiment(manifest)
    return []
