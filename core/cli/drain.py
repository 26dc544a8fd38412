"""``penstock drain``."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import click

from penstock.core.cli.drain_view import print_drain
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import server_names
from penstock.core.cli.server_option import ask, server_option
from penstock.core.cli.serving import NOT_READY
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.control import ResourceDocument

Copies: TypeAlias = dict[tuple[int, str, int], dict[str, Any]]
"""Copies of models by replica, name and version."""

replica_option = click.option(
    "--replica", type=click.IntRange(0), metavar="N", help="Only this one of its replicas."
)


@click.command("drain")
@click.argument("name", metavar="SERVER", shell_complete=server_names)
@replica_option
@click.option("--undo", is_flag=True, help="Have it take models again, as penstock undrain.")
@click.option("--wait", is_flag=True, help="Wait until no model is left there, and tell of each.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    help="Seconds to wait at most.",
)
@server_option
@output_option
def drain_command(
    name: str, replica: int | None, undo: bool, wait: bool, timeout: float, server: RemoteServer
) -> int:
    """Have a SERVER take no models any more, and move those that it has elsewhere.

    A model leaves when it is loaded elsewhere; what fits nowhere else stays and goes on serving.
    Exits with 3 when --wait ends with models that are still there.
    """
    output = Output.current()

    async def drained(client: ControlClient) -> ResourceDocument:
        state = await client.drain(name, replica, undo=undo)
        if not wait or undo:
            return state
        return await _followed(output, client, state, replica, timeout)

    state = ask(server, drained)
    if output.is_json:
        output.json(state)
    else:
        print_drain(output, state)
    return NOT_READY if wait and not undo and _left(state, replica) else 0


async def _followed(
    output: Output,
    client: ControlClient,
    state: ResourceDocument,
    replica: int | None,
    timeout_s: float,
) -> ResourceDocument:
    """The state when no more models will leave by themselves, or when the time is over."""
    try:
        async with asyncio.timeout(timeout_s):
            async for following in client.follow_drain(state["server"]):
                if not output.is_json:
                    _tell_gone(_left(state, replica), _left(following, replica))
                state = following
                if all(copy["outlook"] == "stays" for copy in _left(state, replica).values()):
                    break
    except TimeoutError:
        pass
    return state


def _tell_gone(before: Copies, now: Copies) -> None:
    for replica, model, version in [key for key in before if key not in now]:
        click.echo(f"replica {replica}: model '{model}', version {version}, is gone")


def _left(state: ResourceDocument, replica: int | None) -> Copies:
    """The copies on replicas that are drained, or on the one that was named."""
    return {
        (each["replica"], copy["name"], copy["version"]): copy
        for each in state["replicas"]
        if each["drained"] and replica in (None, each["replica"])
        for copy in each["models"]
    }
