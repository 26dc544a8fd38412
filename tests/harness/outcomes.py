"""The outcomes of the pipelines of texts, and the table that people are shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penstock.core.cli.outcome_tables import cells_of
from penstock.core.contracts.control import ManifestText
from penstock.core.manifests import read_manifests
from penstock.core.outcomes import Outcomes, PipelineOutcomes
from penstock.core.port_types import infer_types
from penstock.core.signature import Signature
from penstock.testing.joins import Joins


def outcomes_of(*texts: str, most: int = 2000) -> PipelineOutcomes:
    """The outcomes of the last pipeline of some texts; their models declare what they take and
    give."""
    read = read_manifests([ManifestText("\n---\n".join(texts), "a.yaml", str(Path.cwd()))])
    signatures = {name: model.spec.signature for name, model in read.models.items()}

    def signature_of(name: str) -> Signature | None:
        return signatures.get(name)

    types = {name: infer_types(each, signature_of) for name, each in read.pipelines.items()}
    assert [each.sentences for each in types.values()] == [[]] * len(types)
    outcomes = Outcomes(read.pipelines, types, Joins(), signature_of, most)
    return outcomes.of(list(read.pipelines)[-1])


def table(outcomes: PipelineOutcomes) -> dict[str, list[tuple[str, ...]]]:
    """The rows of the table by section, as texts."""
    sections: dict[str, list[tuple[str, ...]]] = {}
    rows: list[tuple[str, ...]] = []
    for cells in cells_of(outcomes):
        texts: Sequence[str] = [cell.plain for cell in cells]
        if texts[1]:
            rows.append(tuple(texts))
        else:
            rows = sections.setdefault(texts[0], [])
    return sections
