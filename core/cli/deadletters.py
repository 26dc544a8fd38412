"""``penstock deadletters``."""

from __future__ import annotations

import click

from penstock.core.cli.inspect import moment
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import pipeline_names
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer


@click.group("deadletters", invoke_without_command=True)
@click.option("--pipeline", shell_complete=pipeline_names, help="Of this pipeline only.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@server_option
@output_option
@click.pass_context
def deadletters_command(
    context: click.Context, pipeline: str | None, limit: int, server: RemoteServer
) -> None:
    """List failures that no caller was told of, the latest first."""
    if context.invoked_subcommand is not None:
        return
    output = Output.current()
    letters = ask(server, lambda client: client.list_letters(pipeline=pipeline, most=limit))
    if output.is_json:
        output.json(letters)
        return
    from rich.text import Text

    output.table(
        ("number", "at", "pipeline", "step", "code", "reason"),
        [
            (
                str(each["number"]),
                moment(each["at"]),
                f"{each['pipeline']} {each['version']}",
                each["step"] or "",
                each["code"],
                Text(each["reason"]),
            )
            for each in letters
        ],
        unfolded=("at",),
    )


@deadletters_command.command("show")
@click.argument("number", type=click.IntRange(1))
@server_option
@output_option
def show_command(number: int, server: RemoteServer) -> None:
    """Show one dead letter with the request it was about."""
    output = Output.current()
    letter = ask(server, lambda client: client.letter(number))
    if output.is_json:
        output.json(letter)
    else:
        import yaml

        click.echo(yaml.safe_dump(letter, sort_keys=False, allow_unicode=True), nl=False)


@deadletters_command.command("send")
@click.argument("number", type=click.IntRange(1))
@server_option
@output_option
def send_command(number: int, server: RemoteServer) -> None:
    """Send the request of a dead letter again; the letter goes."""
    output = Output.current()
    identity = ask(server, lambda client: client.send_again(number))
    if output.is_json:
        output.json({"id": identity})
    else:
        click.echo(f"sent again as {identity}; see penstock inspect {identity}")
