"""``penstock store``: the scheduler's database, backed up, put back, checked and read."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.core.cli.output import Output, output_option

DATABASE = click.Path(path_type=Path, dir_okay=False)


@click.group("store")
@output_option
def store_command() -> None:
    """Back up the scheduler's database, and put a backup back."""


@store_command.command("backup")
@click.argument("database", type=DATABASE)
@click.argument("backup", type=DATABASE)
@output_option
def backup_command(database: Path, backup: Path) -> None:
    """Copy DATABASE to the new file BACKUP; the scheduler may go on meanwhile."""
    from penstock.core.database import back_up

    resources = back_up(database, backup)
    output = Output.current()
    if output.is_json:
        output.json({"backup": str(backup), "resources": resources})
    else:
        click.echo(f"{backup} holds {_counted(resources)}")


@store_command.command("restore")
@click.argument("backup", type=DATABASE)
@click.argument("database", type=DATABASE)
@output_option
def restore_command(backup: Path, database: Path) -> None:
    """Put BACKUP in the place of DATABASE, which no scheduler may be using.

    The file that was there before is kept beside it.
    """
    from penstock.core.database import restore

    resources, before = restore(backup, database)
    output = Output.current()
    if output.is_json:
        old = None if before is None else str(before)
        output.json({"database": str(database), "resources": resources, "before": old})
        return
    click.echo(f"{database} holds {_counted(resources)}")
    if before is not None:
        click.echo(f"what was there before is {before}")


@store_command.command("check")
@click.argument("database", type=DATABASE)
@output_option
def check_command(database: Path) -> None:
    """Say whether DATABASE holds what was written to it."""
    from penstock.core.database import examine

    resources = examine(database)
    output = Output.current()
    if output.is_json:
        output.json({"database": str(database), "resources": resources})
    else:
        click.echo(f"{database} is sound; it holds {_counted(resources)}")


@store_command.command("export")
@click.argument("database", type=DATABASE)
@output_option
def export_command(database: Path) -> int:
    """Print the manifests in DATABASE, also what is left of a damaged one.

    Exits with 1 when something could not be read; what that is stands on standard error.
    """
    from penstock.core.database import read

    resources, broken = read(database)
    documents = [resource.manifest.document() for resource in resources]
    output = Output.current()
    if output.is_json:
        output.json({"manifests": documents, "unreadable": broken})
    else:
        import yaml

        click.echo(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True), nl=False)
    for sentence in broken:
        click.echo(sentence, err=True)
    return 1 if broken else 0


def _counted(resources: int) -> str:
    return "1 resource" if resources == 1 else f"{resources} resources"
