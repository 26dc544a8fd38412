"""``penstock servers``: installs model servers in environments of their own, and lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from penstock.core.cli.output import Output, output_option
from penstock.servers.installing.installation import Installation
from penstock.servers.installing.recipe import Recipe
from penstock.servers.mlserver.recipe import RECIPE as MLSERVER
from penstock.servers.triton.recipe import RECIPE as TRITON

RECIPES: Final = {recipe.name: recipe for recipe in (MLSERVER, TRITON)}

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group("servers")
@output_option
def servers_command() -> None:
    """Install model servers, each in an environment of its own."""


@servers_command.command("install")
@click.argument("name", type=click.Choice(list(RECIPES)))
@click.option("--into", type=FOLDER, help="The folder; else one in PENSTOCK_HOME.")
@click.option(
    "--with",
    "extras",
    multiple=True,
    help="A runtime of the server (mlserver: sklearn, xgboost, ...), or a package that models "
    "need; may be repeated.",
)
@click.option(
    "--python",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The Python to make the environment with; else the one that runs Penstock.",
)
@output_option
def install_command(
    name: str, into: Path | None, extras: tuple[str, ...], python: Path | None
) -> None:
    """Install the server NAME, in the version that Penstock is tested with.

    Does nothing when it is there. What was interrupted is begun anew.
    """
    from penstock.servers.installing.installer import Installer

    recipe = RECIPES[name]
    installation = Installation(recipe, None if into is None else into.absolute())
    output = Output.current()
    with _progress(f"installing {name} {recipe.version}") as told:
        new = Installer(recipe, installation, told, python=python).install(extras)
    if output.is_json:
        output.json({**_described(recipe, installation), "new": new})
        return
    click.echo(f"{name} {recipe.version} is {'now' if new else 'already'} in {installation.folder}")


@servers_command.command("list")
@output_option
def list_command() -> None:
    """List the servers that can be installed, and where they are."""
    output = Output.current()
    installations = [(recipe, Installation(recipe)) for recipe in RECIPES.values()]
    if output.is_json:
        output.json({"servers": [_described(*each) for each in installations]})
        return
    rows = (
        (recipe.name, recipe.version, "no" if there.note() is None else "yes", str(there.folder))
        for recipe, there in installations
    )
    output.table(("server", "version", "installed", "folder"), rows, unfolded=("folder",))


@contextmanager
def _progress(title: str) -> Iterator[Callable[[str], None]]:
    """Lines on standard error that say what is being done; on a terminal one that changes."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda line: click.echo(line, err=True)
        return
    with console.status(title) as status:
        yield lambda line: status.update(f"{title}: {escape(line)}")


def _described(recipe: Recipe, installation: Installation) -> dict[str, object]:
    note = installation.note()
    return {
        "name": recipe.name,
        "version": recipe.version,
        "installed": note is not None,
        "folder": str(installation.folder),
        "requirements": [] if note is None else list(note.requirements),
    }
