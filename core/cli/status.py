"""``penstock status``."""

from __future__ import annotations

import asyncio
from time import monotonic

import click

from penstock.core.cli.output import Output, output_option
from penstock.core.cli.resources import is_ready, is_settled, print_resources
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.control import ControlClient, Standing
from penstock.core.client.remote_server import RemoteServer
from penstock.core.errors import NotReadyError

NOT_READY = 3


@click.command("status")
@click.option(
    "--wait",
    is_flag=True,
    help="Wait until everything is ready, or will not be; also for a server that starts.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds to wait at most.",
)
@server_option
@output_option
def status_command(wait: bool, timeout: float, server: RemoteServer) -> int:
    """Say what is ready on a running server, and why the rest is not.

    Exits with 3 when something is not ready.
    """
    output = Output.current()
    try:
        found = ask(server, lambda client: _settled(client, timeout if wait else 0.0))
    except NotReadyError as error:
        if not wait:
            raise
        output.error(error)
        return NOT_READY
    resources, troubles = found
    ready = all(map(is_ready, resources)) and not troubles
    if output.is_json:
        output.json({"ready": ready, "resources": resources, "troubles": troubles})
    else:
        print_resources(output, resources)
        for sentence in troubles:
            click.echo(sentence)
    return 0 if ready else NOT_READY


async def _settled(client: ControlClient, timeout_s: float) -> Standing:
    """What there is when nothing changes any more by itself, or when the time is over."""
    begun_s = monotonic()
    if timeout_s > 0:
        await client.reach(timeout_s)
    found = await client.standing(None)
    if timeout_s <= 0 or all(map(is_settled, found.resources)):
        return found
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in found.resources}
    try:
        async with asyncio.timeout(begun_s + timeout_s - monotonic()):
            async for event in client.watch(None, 0):
                resource = event.resource
                key = (resource["kind"], resource["metadata"]["name"])
                if event.action == "deleted":
                    by_name.pop(key, None)
                else:
                    by_name[key] = resource
                if all(map(is_settled, by_name.values())):
                    break
    except TimeoutError:
        pass
    return await client.standing(None)
