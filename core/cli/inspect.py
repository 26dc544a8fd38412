"""``penstock inspect``."""

from __future__ import annotations

import math
import re
import time
from pathlib import Path
from typing import Final

import click

from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import pipeline_names
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.inquiries import Search

_UNITS_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Ago(click.ParamType[float]):
    """A time in the past, as ``90s``, ``10m``, ``2h``, ``1d``; milliseconds since the epoch."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,9})([smhd])", str(value))
        if match is None:
            self.fail(f"'{value}' is no duration; write 90s, 10m, 2h or 1d", param, ctx)
        return (time.time() - int(match[1]) * _UNITS_S[match[2]]) * 1000.0


@click.command("inspect")
@click.argument("request", required=False)
@click.option(
    "--pipeline", shell_complete=pipeline_names, help="List requests of this pipeline only."
)
@click.option("--outcome", help="ok, failed, open, or the code of an error.")
@click.option("--since", type=Ago(), default=0.0, help="As 90s, 10m, 2h, 1d: not older than that.")
@click.option("--until", type=Ago(), default=None, help="Likewise: not younger than that.")
@click.option("--x-request-id", help="List requests that came with this x-request-id only.")
@click.option(
    "--export",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the REQUEST into a file (.penstock) that penstock run plays.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@server_option
@output_option
def inspect_command(
    request: str | None,
    pipeline: str | None,
    outcome: str | None,
    since: float,
    until: float | None,
    x_request_id: str | None,
    export: Path | None,
    limit: int,
    server: RemoteServer,
) -> None:
    """Show what happened to a REQUEST, step by step; without one, list the latest requests.

    REQUEST is the identity that the gateway gave it, or the caller's x-request-id.
    """
    output = Output.current()
    if request is not None:
        if pipeline or outcome or since or until or x_request_id:
            raise click.UsageError(
                "--pipeline, --outcome, --since, --until and --x-request-id choose among many "
                "requests"
            )
        if export is not None:
            _write(output, ask(server, lambda client: client.export(request)), export)
            return
        story = ask(server, lambda client: client.inspect(request))
        if output.is_json:
            output.json(story)
        else:
            from penstock.core.cli.story_view import story_view

            output.tree(story_view(story))
        return
    if export is not None:
        raise click.UsageError("--export wants a REQUEST")
    until_ms = math.inf if until is None else until
    search = Search(pipeline, outcome, since, until_ms, x_request_id, limit)
    requests = ask(server, lambda client: client.list_requests(search))
    if output.is_json:
        output.json(requests)
        return
    output.table(
        ("request", "pipeline", "opened", "took", "outcome", "step"),
        [
            (
                each["id"],
                f"{each['pipeline']} {each['version']}",
                moment(each["opened"]),
                "" if each["took_ms"] is None else f"{each['took_ms']:g} ms",
                each["outcome"] or "open",
                each["step"] or "",
            )
            for each in requests
        ],
        unfolded=("request", "opened"),
    )


def _write(output: Output, case: bytes, file: Path) -> None:
    from penstock.core.cases.reader import read_case
    from penstock.core.cli.case_files import write_file

    write_file(file, case)
    missing = read_case(case, file.name).missing
    if output.is_json:
        output.json({"file": str(file), "bytes": len(case), "missing": list(missing)})
        return
    click.echo(f"written to {file} ({len(case)} bytes); penstock run {file} plays it")
    for sentence in missing:
        click.echo(f"  not in it: {sentence}")


def moment(opened: str) -> str:
    """Month to second of a moment: what people tell requests apart by."""
    return opened[5:19].replace("T", " ")
