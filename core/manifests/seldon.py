"""Where a manifest that was written for Seldon Core 2 answers differently here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.core.joinspec import JoinSpec
from penstock.core.manifests.findings import Finding
from penstock.core.problems import KeyPath
from penstock.core.references import parse_source
from penstock.core.resources import Pipeline

SELDON_API_VERSION: Final = "mlops.seldon.io/v1alpha1"


def differences_of(pipeline: Pipeline) -> list[Finding]:
    """What to warn the owner of, given that ``pipeline`` breaks no rule."""
    if pipeline.api_version != SELDON_API_VERSION:
        return []
    findings = []
    name = pipeline.metadata.name
    for index, step in enumerate(pipeline.spec.steps):
        at = ("spec", "steps", index)
        findings += _several_tensors(name, step.inputs, step.inputs_join_type, (*at, "inputs"))
        findings += _several_tensors(
            name, step.triggers, step.triggers_join_type, (*at, "triggers")
        )
    output = pipeline.spec.output
    if output is not None:
        findings += _several_tensors(
            name, output.steps, output.steps_join, ("spec", "output", "steps")
        )
    return findings


def _several_tensors(
    pipeline: str, texts: Sequence[str], join: JoinSpec, at: KeyPath
) -> list[Finding]:
    if join.name != "inner" or len(texts) < 2:
        return []
    seen: dict[str, int] = {}
    for text in texts:
        port = parse_source(text, pipeline=pipeline).port_text
        seen[port] = seen.get(port, 0) + 1
    return [
        Finding(
            at,
            f"all {count} tensors of '{port}' are wanted here, "
            "where Seldon Core 2 would go on with any of them",
            "name the join outer or any to go on without one",
        )
        for port, count in seen.items()
        if count > 1
    ]
