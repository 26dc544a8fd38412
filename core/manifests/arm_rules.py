"""What is refused of what an experiment concludes from its arms: guard, rollout, metrics."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.core.manifests.findings import Finding
from penstock.core.nearest import did_you_mean
from penstock.core.problems import KeyPath
from penstock.core.resources.experiment import ExperimentDeclaration


def findings_of_arms(spec: ExperimentDeclaration) -> list[Finding]:
    """Everything that is wrong with guard, rollout and metrics."""
    return [
        *_findings_of_metrics(spec),
        *_findings_of_guard(spec),
        *_findings_of_rollout(spec),
    ]


def _findings_of_metrics(spec: ExperimentDeclaration) -> list[Finding]:
    first: dict[str, int] = {}
    return [
        Finding(
            ("spec", "metrics", index, "name"),
            f"'{metric.name}' is spec.metrics[{first[metric.name]}] already",
            "give it another name",
        )
        for index, metric in enumerate(spec.metrics)
        if first.setdefault(metric.name, index) != index
    ]


def _findings_of_guard(spec: ExperimentDeclaration) -> list[Finding]:
    guard, findings = spec.guard, []
    if guard is None:
        return []
    if guard.baseline is not None and guard.baseline not in spec.arms:
        at: KeyPath = ("spec", "guard", "baseline")
        findings.append(_unknown(at, "baseline", guard.baseline, "candidates", spec.arms))
    if guard.metric is not None:
        name, metrics = guard.metric.name, [metric.name for metric in spec.metrics]
        if name not in metrics:
            at = ("spec", "guard", "metric", "name")
            findings.append(_unknown(at, "metric", name, "metrics of spec.metrics", metrics))
    return findings


def _findings_of_rollout(spec: ExperimentDeclaration) -> list[Finding]:
    if spec.rollout is None or len(set(spec.arms)) == 2:
        return []
    said = f"a rollout takes a baseline and one new candidate, and here are {len(spec.arms)}"
    return [Finding(("spec", "rollout"), said, "name two candidates")]


def _unknown(at: KeyPath, what: str, name: str, among: str, known: Iterable[str]) -> Finding:
    known = tuple(known)
    hint = did_you_mean(name, known) or f"name one of the {among}"
    return Finding(at, f"the {what} '{name}' is not among the {among}", hint)
