"""The parts of the system that ``penstock run ROLE`` hosts, each in a process of its own."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

ROLES: Final = {
    "scheduler": "Keep what was applied, and have agents load the models.",
    "agent": "Be one replica of a server, for a scheduler.",
    "gateway": "Answer requests by what a scheduler says, also while it is away.",
}
"""Name and summary of each role. Its command is in a module ``run_<name>``, loaded when it is
used."""


def role_command(name: str) -> click.Command:
    """The command of a role."""
    module = import_module(f"penstock.core.cli.run_{name}")
    command: click.Command = getattr(module, f"run_{name}_command")
    return command


class RunCommand(click.Command):
    """A command whose first word may be a role, which has options of its own then."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        if args and args[0] in ROLES:
            name, *rest = args
            return role_command(name).make_context(f"{info_name} {name}", rest, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Roles"):
            formatter.write_dl(list(ROLES.items()))


def role_or_file(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    """What completes the first word: roles, and files as the shell knows them."""
    roles = [
        CompletionItem(name, help=said) for name, said in ROLES.items() if name.startswith(begun)
    ]
    return [*roles, CompletionItem(begun, type="file")]
