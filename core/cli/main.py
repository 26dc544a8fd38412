"""The entry of the command line: runs a command, and turns errors into sentences and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

import penstock
from penstock.core.cli.output import Output, asked_for, output_option
from penstock.core.errors import PenstockError

COMMANDS: Final = {
    "up": "Serve manifests in this process.",
    "check": "Validate manifests without a server, and draw the pipelines.",
    "apply": "Give manifests to a running server.",
    "delete": "Delete a resource of a running server.",
    "get": "Show resources of a running server.",
    "status": "Say whether everything on a running server is ready.",
    "describe": "Show everything about one resource of a running server.",
    "explain": "Say where a model is loaded, and why not elsewhere.",
    "autoscale": "Say how models are scaled by their load, and try policies out.",
    "drain": "Have a server take no models, and move those that it has.",
    "undrain": "Have a server take models again.",
    "experiment": "Compare the arms of an experiment, and give its traffic to one.",
    "inspect": "Show what happened to a request.",
    "tap": "Follow the records of a port as they come.",
    "logs": "Show what a running server logs.",
    "run": "Host one part of the system, or play a request that was exported as a file.",
    "replay": "Send recorded requests again, and compare the answers.",
    "deadletters": "List failures that nobody was told of, and send their requests again.",
    "infer": "Send a request to a model or pipeline.",
    "bench": "Put a model or pipeline of a running server under load, and measure.",
    "digest": "Print the digest of a model's artifacts, for its manifest.",
    "store": "Back up the scheduler's database, and put a backup back.",
    "plugins": "List what is installed.",
    "config": "Check the configuration file, or print its schema.",
    "completion": "Print what makes a shell complete commands and names.",
    "version": "Print the version.",
}
"""Name and summary of each command. Its module, of the same name, is loaded when it is used."""

FAILED: Final = 1
NOT_READY: Final = 3
INTERRUPTED: Final = 130


class Commands(click.Group):
    """The built-in commands, loaded when they are used, and those that plug-ins register."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module = import_module(f"penstock.core.cli.{cmd_name}")
            command: click.Command = getattr(module, f"{cmd_name}_command")
            return command
        from penstock.core.cli.plugin_commands import plugin_command

        return plugin_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        formatter.write_paragraph()
        formatter.write_text("Plug-ins may add more: see penstock plugins.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(penstock.__version__, prog_name="penstock")
@output_option
def cli() -> None:
    """Serve pipelines of models as flows of data."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    0: done. 1: refused or failed. 2: wrong use. 3: not ready in time. 130: interrupted.
    """
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = cli.main(given, prog_name="penstock", standalone_mode=False)
    except click.UsageError as error:
        Output(asked_for(given)).usage(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PenstockError as error:
        Output(asked_for(given)).error(error)
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads our output has had enough, as head has.
        sys.stderr.close()
        return FAILED
    return code if isinstance(code, int) else 0
