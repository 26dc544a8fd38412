"""``penstock check``."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.core.cli.output import Output, output_option
from penstock.core.cli.pipeline_drawing import pipeline_drawing
from penstock.core.manifests import ManifestSet, read_manifests
from penstock.core.plan.compiler import PlanError, compile_pipeline
from penstock.core.plugins.manager import start_up
from penstock.core.plugins.plugins import Plugins
from penstock.core.problems import Problem, ProblemsError, format_path
from penstock.core.resources import Pipeline


@click.command("check")
@click.argument("manifests", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-c", "--config", type=click.Path(path_type=Path), help="The configuration file.")
@output_option
def check_command(manifests: tuple[Path, ...], config: Path | None) -> None:
    """Validate MANIFESTS (files or folders) without a server, and draw their pipelines.

    Exits with 1 when a server would refuse them, or when a model that they call is missing.
    """
    _, plugins = start_up(config)
    read = read_manifests(manifests)
    problems = [missing.problem for missing in read.missing()]
    problems += _problems_of_plans(read, plugins)
    output = Output.current()
    if output.is_json:
        if not problems:
            output.json(
                {
                    "resources": [
                        {"kind": entry.kind, "name": entry.name} for entry in read.entries
                    ],
                    "warnings": [str(warning) for warning in read.warnings],
                }
            )
    else:
        _print_drawings(output, read)
        for warning in read.warnings:
            click.echo(f"warning: {warning}", err=True)
    if problems:
        raise ProblemsError(problems)
    if not output.is_json:
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


def _print_drawings(output: Output, read: ManifestSet) -> None:
    from rich.text import Text

    # In a file, or in a pipe to a pager that scrolls, a line may be as long as it likes.
    columns = output.console.width if output.console.is_terminal else None
    for name, pipeline in read.pipelines.items():
        output.console.print(Text(f"\npipeline {name}", style="bold"))
        output.console.print(pipeline_drawing(pipeline, columns))
