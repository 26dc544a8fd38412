"""``penstock experiment``."""

from __future__ import annotations

import click

from penstock.core.cli.arms_view import print_arms
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import experiment_names
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.control import CONFIDENCE, ResourceDocument

name_argument = click.argument("name", shell_complete=experiment_names)


@click.group("experiment")
@output_option
def experiment_command() -> None:
    """Compare the arms of an experiment, and give its traffic to one of them."""


@experiment_command.command("report")
@name_argument
@click.option("--baseline", metavar="ARM", help="The arm that the others are compared with.")
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1.0, max_open=True),
    default=CONFIDENCE,
    show_default=True,
    help="How often intervals hold the true figure.",
)
@server_option
@output_option
def report_command(
    name: str, baseline: str | None, confidence: float, server: RemoteServer
) -> None:
    """Say how the arms of the experiment NAME do beside the baseline.

    A difference is called one where its whole interval lies on one side of 0; where there is not
    enough data, the report says how many requests an arm should have.
    """
    output = Output.current()
    report = ask(server, lambda client: client.compare_arms(name, baseline, confidence))
    if output.is_json:
        output.json(report)
        return
    print_arms(output, report)


@experiment_command.command("promote")
@name_argument
@click.argument("arm")
@server_option
@output_option
def promote_command(name: str, arm: str, server: RemoteServer) -> None:
    """Give all requests of the experiment NAME to ARM, until its manifest changes."""
    _settle(name, arm, server)


@experiment_command.command("rollback")
@name_argument
@server_option
@output_option
def rollback_command(name: str, server: RemoteServer) -> None:
    """Give all requests of the experiment NAME to its baseline, until its manifest changes."""
    _settle(name, None, server)


def _settle(name: str, arm: str | None, server: RemoteServer) -> None:
    output = Output.current()
    document = ask(server, lambda client: client.settle(name, arm))
    if output.is_json:
        output.json(document)
    else:
        click.echo(f"experiment '{name}': {_settled(document)}")


def _settled(document: ResourceDocument) -> str:
    from penstock.core.resources.status import SETTLED

    conditions = document["status"]["conditions"]
    said: str = next(each["message"] for each in conditions if each["type"] == SETTLED)
    return said
