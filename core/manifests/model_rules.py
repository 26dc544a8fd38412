"""What is refused of one model on its own, beyond the kinds of its fields."""

from __future__ import annotations

from penstock.core.manifests.findings import Finding
from penstock.core.resources import Explainer, Model
from penstock.core.resources.scaling import IDLE_MS, TARGET, scaling_number


def findings_of_model(model: Model) -> list[Finding]:
    """Everything that is wrong with ``model`` on its own."""
    findings = []
    spec = model.spec
    for side, tensors in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        first: dict[str, int] = {}
        for index, tensor in enumerate(tensors or ()):
            earlier = first.setdefault(tensor.name, index)
            if earlier != index:
                findings.append(
                    Finding(
                        ("spec", side, index, "name"),
                        f"the tensor '{tensor.name}' is declared by spec.{side}[{earlier}] already",
                    )
                )
    if spec.explainer is not None:
        findings += _findings_of_explainer(model, spec.explainer)
    low, high = spec.min_replicas, spec.max_replicas
    if low is not None and high is not None and low > high:
        findings.append(
            Finding(("spec", "minReplicas"), f"minReplicas {low} is more than maxReplicas {high}")
        )
    for name in (TARGET, IDLE_MS):
        try:
            scaling_number(model.metadata.annotations, name)
        except ValueError as error:
            findings.append(Finding(("metadata", "annotations", name), str(error)))
    return findings


def _findings_of_explainer(model: Model, explainer: Explainer) -> list[Finding]:
    """What does not go together with being an explainer."""
    findings = []
    if explainer.model_ref == model.name:
        said = f"'{model.name}' explains itself"
        findings.append(Finding(("spec", "explainer", "modelRef"), said, "name another model"))
    if model.spec.python is not None:
        said = "an explainer is made by what its type names, not by python"
        findings.append(Finding(("spec", "python"), said, "leave it out", of_key=True))
    if model.spec.execution != "auto":
        said = "what an explainer computes runs in threads of its own"
        findings.append(Finding(("spec", "execution"), said, "leave it out", of_key=True))
    return findings
