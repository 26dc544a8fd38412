"""What is refused of one model on its own, beyond the kinds of its fields."""

from __future__ import annotations

from penstock.core.manifests.findings import Finding
from penstock.core.resources import Model
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
