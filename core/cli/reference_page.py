"""Makes ``docs/reference/cli.md`` from the commands.

``python -m penstock.core.cli.reference_page FILE`` writes it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from penstock.core.cli.main import COMMANDS, cli
from penstock.core.cli.roles import ROLES, RunCommand, role_command

_HEAD: Final = """\
# Command line

Every command takes `-o json`, also before the command's name; what it prints, and an error, is then
one JSON document: the same facts for programs. Output goes to standard output, errors and warnings
to standard error. Plug-ins may add commands of their own.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | refused or failed: the error says what to do |
| 2 | wrong use of the command line |
| 3 | not ready in time |
| 130 | interrupted |

Completion for a shell: `eval "$(_PENSTOCK_COMPLETE=bash_source penstock)"`, with `zsh_source` or
`fish_source` for the others.

This page is made from the code: `python -m penstock.core.cli.reference_page FILE`.
"""


def reference_page() -> str:
    """The page, as Markdown."""
    context = click.Context(cli, info_name="penstock")
    sections = [_HEAD]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None, "every listed command is there"
        for words, each in _with_subcommands(f"penstock {name}", command, context):
            sections.append("\n".join(_section(words, each, context)) + "\n")
    return "\n".join(sections)


def _with_subcommands(
    words: str, command: click.Command, parent: click.Context
) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield words, command
        if isinstance(command, RunCommand):
            yield from ((f"{words} {role}", role_command(role)) for role in ROLES)
        return
    context = click.Context(command, parent, info_name=words.rpartition(" ")[2])
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None, "every listed command is there"
        yield from _with_subcommands(f"{words} {name}", inner, context)


def _section(words: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, parent)
    usage = " ".join([words, *command.collect_usage_pieces(context)])
    yield f"## {words}"
    yield ""
    yield f"    {usage}"
    yield ""
    yield inspect.cleandoc(command.help or "")
    rows = [
        row
        for parameter in command.params
        if isinstance(parameter, click.Option) and "--output" not in parameter.opts
        if (row := parameter.get_help_record(context)) is not None
    ]
    if rows:
        yield ""
        yield "| option | |"
        yield "|---|---|"
        for option, text in rows:
            yield f"| `{_escaped(option)}` | {_escaped(text)} |"


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
