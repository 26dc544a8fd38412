"""``penstock completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from penstock.core.cli.output import output_option

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_PENSTOCK_COMPLETE"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@output_option
def completion_command(shell: str) -> None:
    """Print the script that makes SHELL complete commands, options, and names of what a running
    server serves.

    bash: eval "$(penstock completion bash)" in ~/.bashrc; zsh: the same with zsh in ~/.zshrc; fish:
    penstock completion fish > ~/.config/fish/completions/penstock.fish
    """
    from penstock.core.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None, "click has all three"
    click.echo(kind(cli, {}, "penstock", VARIABLE).source())
