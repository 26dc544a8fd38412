"""``penstock check``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.known_signatures import KnownSignatures
from penstock.core.cli.outcome_tables import cells_of, headings_of, notes_of
from penstock.core.cli.outcome_tables import document_of as document_of_outcomes
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.pipeline_drawing import pipeline_drawing, typed_diagram
from penstock.core.cli.type_listing import HEADINGS, document_of, rows_of
from penstock.core.errors import InvalidRequestError
from penstock.core.manifests import ManifestSet, read_manifests
from penstock.core.manifests.manifest_set import problem_of
from penstock.core.outcomes import Outcomes, PipelineOutcomes
from penstock.core.plan.compiler import PlanError, compile_pipeline
from penstock.core.plugins.manager import start_up
from penstock.core.plugins.plugins import Plugins
from penstock.core.port_types import PipelineTypes, external_findings, infer_types
from penstock.core.problems import Problem, ProblemsError, format_path
from penstock.core.resources import Pipeline

MOST_PIPELINES: Final = 20
"""Of how many pipelines the outcomes are listed when nobody says so."""


@click.command("check")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path))
@config_option
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the drawings with their types to this file.",
)
@click.option(
    "--outcomes/--no-outcomes",
    "wants_outcomes",
    default=None,
    help=f"List every outcome of each pipeline; by default of up to {MOST_PIPELINES} pipelines.",
)
@click.option(
    "--artifacts/--no-artifacts",
    "wants_artifacts",
    default=True,
    help="Look whether local artifacts of models are there and can be loaded; by default yes.",
)
@output_option
def check_command(
    manifests: tuple[Path, ...],
    config: Path | None,
    svg: Path | None,
    wants_outcomes: bool | None,
    wants_artifacts: bool,
) -> None:
    """Validate MANIFESTS (files or folders) without a server, and draw their pipelines.

    Types of tensors are inferred from what manifests declare, from the annotations of Python
    models, whose modules are imported for that, and from artifacts that are files of this machine;
    nothing is fetched over a network, and no model is called. Outcomes are found by playing
    each pipeline, with models that put out what they may, or fail. Exits with 1 when a server would
    refuse something, or when a model that is called is missing.
    """
    _, plugins = start_up(config)
    read = read_manifests(manifests)
    signatures = KnownSignatures(read, plugins, artifacts=wants_artifacts)
    types = {name: infer_types(each, signatures.get) for name, each in read.pipelines.items()}
    problems = [missing.problem for missing in read.missing()]
    problems += signatures.problems
    problems += _problems_of_plans(read, plugins)
    problems += _problems_of_types(read, types)
    doubts = _doubts_of_types(read, signatures, types)
    warnings = [str(warning) for warning in (*read.warnings, *signatures.warnings, *doubts)]
    outcomes: dict[str, PipelineOutcomes] = {}
    few = wants_outcomes is None and len(read.pipelines) <= MOST_PIPELINES
    if (wants_outcomes or few) and not problems:
        played = Outcomes(read.pipelines, types, plugins.joins, signatures.get)
        outcomes = {name: played.of(name) for name in read.pipelines}
        warnings += [str(warning) for warning in _warnings_of_outcomes(read, outcomes)]
    if svg is not None:
        _write_svg(svg, read, types)
    output = Output.current()
    if output.is_json:
        if not problems:
            output.json(
                {
                    "resources": [
                        {"kind": entry.kind, "name": entry.name} for entry in read.entries
                    ],
                    "types": {name: document_of(each) for name, each in types.items()},
                    "outcomes": {
                        name: document_of_outcomes(each) for name, each in outcomes.items()
                    },
                    "warnings": warnings,
                }
            )
    else:
        _print_drawings(output, read, types, outcomes)
        for warning in warnings:
            click.echo(f"warning: {warning}", err=True)
    if problems:
        raise ProblemsError(problems)
    if not output.is_json:
        if read.pipelines and not outcomes and wants_outcomes is None:
            output.console.print("[dim]outcomes of so many pipelines are listed by --outcomes[/]")
        count = len(read.entries)
        shown = "1 resource, nothing is wrong with it"
        if count != 1:
            shown = f"{count or 'no'} resources, nothing is wrong with them"
        output.console.print(f"[green]{shown}[/]")


def _problems_of_plans(read: ManifestSet, plugins: Plugins) -> list[Problem]:
    """What only compiling finds: joins that are not installed, and options that they refuse."""
    problems: list[Problem] = []
    for entry in read.entries:
        if isinstance(entry.manifest, Pipeline):
            try:
                compile_pipeline(entry.manifest, 1, plugins.joins, record="none")
            except PlanError as error:
                problems += [
                    Problem(entry.document.position(path), format_path(path), said)
                    for path, said in error.problems
                ]
    return problems


def _problems_of_types(read: ManifestSet, types: Mapping[str, PipelineTypes]) -> list[Problem]:
    return [
        problem_of(finding, entry.document)
        for entry in read.entries
        if isinstance(entry.manifest, Pipeline)
        for finding in (
            *types[entry.name].findings,
            *external_findings(entry.manifest, types[entry.name], types.get),
        )
    ]


def _doubts_of_types(
    read: ManifestSet, signatures: KnownSignatures, types: Mapping[str, PipelineTypes]
) -> list[Problem]:
    """What a server refuses unless models declare more when they are loaded than they do here."""
    return [
        problem_of(finding, entry.document)
        for entry in read.entries
        if isinstance(entry.manifest, Pipeline)
        and any(step.batch is not None for step in entry.manifest.spec.steps)
        for finding in infer_types(entry.manifest, signatures.get, loaded=True).findings
        if finding not in types[entry.name].findings
    ]


def _warnings_of_outcomes(
    read: ManifestSet, outcomes: Mapping[str, PipelineOutcomes]
) -> list[Problem]:
    return [
        problem_of(finding, entry.document)
        for entry in read.entries
        if isinstance(entry.manifest, Pipeline) and entry.name in outcomes
        for finding in outcomes[entry.name].findings
    ]


def _print_drawings(
    output: Output,
    read: ManifestSet,
    types: Mapping[str, PipelineTypes],
    outcomes: Mapping[str, PipelineOutcomes],
) -> None:
    from rich.text import Text

    # In a file, or in a pipe to a pager that scrolls, a line may be as long as it likes.
    columns = output.console.width if output.console.is_terminal else None
    for name, pipeline in read.pipelines.items():
        output.console.print(Text(f"\npipeline {name}", style="bold"))
        output.console.print(pipeline_drawing(pipeline, columns))
        if types[name].signature is not None:
            rows = rows_of(types[name])
            output.table(HEADINGS, ([Text(cell) for cell in row] for row in rows))
        if name in outcomes:
            output.console.print()
            output.table(headings_of(outcomes[name]), cells_of(outcomes[name]))
            for note in notes_of(outcomes[name]):
                output.console.print(Text(note, style="dim"))


def _write_svg(file: Path, read: ManifestSet, types: Mapping[str, PipelineTypes]) -> None:
    from penstock.core.render.svg import Picture, svg_of

    pictures = [
        Picture(f"pipeline {name}", typed_diagram(pipeline, types[name]))
        for name, pipeline in read.pipelines.items()
    ]
    try:
        file.write_text(svg_of(pictures), encoding="utf-8")
    except OSError as error:
        raise InvalidRequestError(f"'{file}' cannot be written: {error.strerror}") from error
