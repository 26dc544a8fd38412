"""``penstock run``: a part of the system in a process of its own (see roles), or a request that was
exported as a file, played in this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.core.cli.awaited import awaited
from penstock.core.cli.config_option import config_option
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.roles import ROLES, RunCommand, role_or_file
from penstock.core.nearest import did_you_mean

if TYPE_CHECKING:
    from penstock.core.cases.player import Played

DIFFERS = 1


def _case_file(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    from penstock.core.cases import SUFFIX

    if value.suffix == SUFFIX or value.exists():
        return value
    hint = did_you_mean(str(value), ROLES) or f"the roles are {', '.join(ROLES)}"
    raise click.BadParameter(
        f"'{value}' is no role, and no file, nor does it end in {SUFFIX}; {hint}"
    )


@click.command("run", cls=RunCommand)
@click.argument(
    "case",
    metavar="ROLE | CASE",
    type=click.Path(path_type=Path),
    callback=_case_file,
    shell_complete=role_or_file,
)
@click.option(
    "--models",
    type=click.Choice(["real", "recorded"]),
    help="Call the models, or have what they put out come back. [default: real]",
)
@click.option(
    "--from",
    "from_step",
    metavar="STEP",
    help="Call the models of this step and of what follows from it; the others are played back.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where the modules and files of the models are, if not where they were on the server.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0.0),
    default=1e-6,
    show_default=True,
    help="Numbers that differ by no more than this part of them are the same.",
)
@click.option("--pdb", is_flag=True, help="Open the debugger where a model raises.")
@config_option
@output_option
def run_command(
    case: Path,
    models: str | None,
    from_step: str | None,
    folder: Path | None,
    tolerance: float,
    pdb: bool,
    config: Path | None,
) -> int:
    """Host one part of the system (a ROLE, which has options of its own), or play a request that
    penstock inspect --export wrote into a file (CASE), in this process.

    The records of a case come in the order in which they came then, in a time that stands still
    while a model is called: breakpoint() in a model works, and nothing runs out meanwhile. Prints
    the way through the graph and where it differs from what was recorded; exits with 1 if it does.
    """
    if from_step is not None and models == "recorded":
        raise click.UsageError("--from says which models are called; --models recorded calls none")
    from penstock.core.cases.player import PlayOptions, play
    from penstock.core.cli.case_files import load_case
    from penstock.core.plugins.manager import start_up

    read = load_case(case)
    _, plugins = start_up(config)
    options = PlayOptions(
        "recorded" if models == "recorded" else "real",
        from_step,
        folder,
        tolerance,
        _post_mortem if pdb else None,
    )
    played = awaited(play(read, plugins, options))
    output = Output.current()
    if output.is_json:
        output.json(_document(case, played))
    else:
        from penstock.core.cli.played_view import played_view

        output.tree(played_view(case, played))
    return DIFFERS if played.differences else 0


def _post_mortem(error: BaseException) -> None:
    import pdb

    # The model's own error stands behind the sentence that a caller would get.
    pdb.post_mortem((error.__cause__ or error).__traceback__)


def _document(case: Path, played: Played) -> dict[str, object]:
    from penstock.core.journal.documents import whole

    return {
        "case": str(case),
        "request": played.story.identity,
        "called": sorted(played.real_steps),
        "same": not played.differences,
        "answer_is_the_same": played.answer_is_the_same,
        "differences": [
            {
                "reader": each.reader,
                "port": str(each.port),
                "round": each.round,
                "what": each.what,
                "by": None if each.by is None or each.by == float("inf") else each.by,
            }
            for each in played.differences
        ],
        "missing": list(played.case.missing),
        "played": whole(played.story),
        "children": [whole(child) for child in played.children],
        "readers": [whole(reader) for reader in played.readers],
        "left_out": list(played.left_out),
    }
