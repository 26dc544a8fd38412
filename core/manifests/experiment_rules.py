"""What is refused of one experiment on its own."""

from __future__ import annotations

from penstock.core.manifests.arm_rules import findings_of_arms
from penstock.core.manifests.findings import Finding
from penstock.core.nearest import did_you_mean
from penstock.core.resources import Experiment


def findings_of_experiment(experiment: Experiment) -> list[Finding]:
    """Everything that is wrong with ``experiment`` on its own."""
    spec = experiment.spec
    findings = []
    first: dict[str, int] = {}
    for index, candidate in enumerate(spec.candidates):
        earlier = first.setdefault(candidate.name, index)
        if earlier != index:
            findings.append(
                Finding(
                    ("spec", "candidates", index, "name"),
                    f"'{candidate.name}' is spec.candidates[{earlier}] already",
                    "add the weights up",
                )
            )
    if not spec.candidates:
        findings.append(Finding(("spec", "candidates"), "an experiment has at least one candidate"))
    elif not any(candidate.weight for candidate in spec.candidates):
        findings.append(Finding(("spec", "candidates"), "the weights of the candidates are all 0"))
    if spec.default is not None and spec.resource_type == "experiment":
        findings.append(
            Finding(
                ("spec", "default"),
                "an experiment over experiments has an address of its own only",
                "take default out, and write it in the inner experiment",
            )
        )
    elif spec.default is not None and spec.default not in first:
        findings.append(
            Finding(
                ("spec", "default"),
                f"the default '{spec.default}' is not among the candidates",
                did_you_mean(spec.default, first) or "name one of the candidates",
            )
        )
    return findings + findings_of_arms(spec)


def proportions_of(experiment: Experiment) -> list[Finding]:
    """That weights are proportions, where they look like percents that do not add up."""
    candidates = experiment.spec.candidates
    whole = sum(candidate.weight for candidate in candidates)
    if whole == 100:
        return []
    shares = ", ".join(f"'{each.name}' {each.weight / whole:.1%}" for each in candidates)
    said = f"the weights add up to {whole}, not to 100: they are taken as proportions, {shares}"
    return [Finding(("spec", "candidates"), said)]
