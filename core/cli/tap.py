"""``penstock tap``."""

from __future__ import annotations

from typing import Any

import click

from penstock.core.cli.awaited import awaited
from penstock.core.cli.inspect import Ago
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.server_option import server_option
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.inquiries import checked_begin


@click.command("tap")
@click.argument("port")
@click.option("--all", "everything", is_flag=True, help="Every port of the pipeline or model PORT.")
@click.option(
    "--state",
    type=click.Choice(["value", "absent", "failed"]),
    help="Only records that ended so.",
)
@click.option("--limit", type=click.IntRange(1), help="End after so many records.")
@click.option(
    "--since",
    type=Ago(),
    help="As 90s, 10m, 2h, 1d: begin with records since then, where streams keep them.",
)
@click.option("--offset", type=click.IntRange(0), help="Begin with this offset, likewise.")
@click.option("--partition", type=click.IntRange(0), help="Of this partition only, likewise.")
@server_option
@output_option
def tap_command(
    port: str,
    everything: bool,
    state: str | None,
    limit: int | None,
    since: float | None,
    offset: int | None,
    partition: int | None,
    server: RemoteServer,
) -> None:
    """Follow the records of a PORT as they come, of requests that come in from now on.

    PORT is written as other pipelines read it: credit (its output), credit.inputs,
    credit.step.forest.outputs, credit.step.forest.outputs.proba; forest.inputs, of a model that is
    called on its own. A port need not be recorded to be followed, unless requests go through the
    streams of a transport, as over Kafka: there those streams are read, also from a time or an
    offset on, and nothing is lost. Elsewhere who reads too slowly loses records, and is told how
    many; requests wait for nobody. With -o json, one line of JSON for each.
    """
    begin = checked_begin(since, offset, partition)
    output = Output.current()

    async def follow() -> None:
        async with ControlClient(server) as client:
            records = client.tap(
                port, everything=everything, state=state, most=limit or 0, begin=begin
            )
            async for record in records:
                if record is None:
                    click.echo(f"following {port}; stop with Ctrl-C", err=True)
                elif isinstance(record, int):
                    _tell_lost(output, record)
                else:
                    _tell(output, record)
            if limit is None:
                click.echo("the server has ended the stream", err=True)

    awaited(follow())


def _tell(output: Output, record: dict[str, Any]) -> None:
    if output.is_json:
        output.event(record)
    else:
        from penstock.core.cli.story_view import tap_line

        output.tree(tap_line(record))


def _tell_lost(output: Output, lost: int) -> None:
    if output.is_json:
        output.event({"lost": lost})
    else:
        click.echo(f"({lost} records were lost, they came faster than they were read)")
