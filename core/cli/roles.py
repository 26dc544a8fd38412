"""The parts of the system that ``penstock run ROLE`` hosts, each in a process of its own."""

from __future__ import annotations

from functools import cache
from itertools import dropwhile, takewhile
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

ROLES: Final = {
    "scheduler": "Keep what was applied, and have agents load the models.",
    "agent": "Be one replica of a server, for a scheduler.",
    "gateway": "Answer requests by what a scheduler says, also while it is away.",
    "pipeline-gateway": "Take requests to pipelines over streams, and give the answers.",
    "dataflow": "Work on requests to pipelines over streams, and share them with others.",
    "model-gateway": "Call models of pipelines with the layout spread, and share that work.",
    "proxy": "Be the one address, and send requests to who answers them.",
}
"""Name and summary of each role; any of them may be in one process."""

STREAM_ROLES: Final = ("pipeline-gateway", "dataflow", "model-gateway")
"""Those that work over streams."""


@cache
def role_command(*names: str) -> click.Command:
    """The command of a process with these roles. An agent and a proxy alone have their own."""
    if names == ("agent",):
        from penstock.core.cli.run_agent import run_agent_command

        return run_agent_command
    if names == ("proxy",):
        from penstock.core.cli.run_proxy import run_proxy_command

        return run_proxy_command
    if "scheduler" in names:
        from penstock.core.cli.run_scheduler import scheduler_command

        return scheduler_command(names)
    from penstock.core.cli.run_followers import follower_command

    return follower_command(names)


class RunCommand(click.Command):
    """A command whose first words may be roles, which have options of their own then."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        names = list(dict.fromkeys(takewhile(ROLES.__contains__, args)))
        if names:
            rest = list(dropwhile(ROLES.__contains__, args))
            words = " ".join(names)
            return role_command(*names).make_context(f"{info_name} {words}", rest, parent, **extra)
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
