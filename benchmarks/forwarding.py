"""A forwarder in a process of its own, for ``proxy.py``; it does what it reads line by line.

    python -m benchmarks.forwarding KIND REST GRPC WAYS REST_PORT GRPC_PORT

``WAYS`` names, the first of them ``one``, each with a destination of its own, lead to the server
at ``REST`` and ``GRPC``. A line on standard input is the name of one way more; the answer is how
many milliseconds it took until it was in force.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial

import uvloop

from penstock.core.config import Config
from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    Destination,
    Endpoint,
    ForwarderContext,
    Policy,
    Share,
    Way,
)
from penstock.core.forwarding.balancers import make_balancer
from penstock.core.plugins.manager import assemble


def ways(endpoint: Endpoint, names: list[str]) -> Change:
    """Ways and destinations of these names."""
    destination = Destination((endpoint,))
    return Change(dict.fromkeys(names, destination), {name: Way((Share(name),)) for name in names})


async def main(kind: str, rest: str, grpc: str, count: str, rest_port: str, grpc_port: str) -> None:
    """Forward until standard input ends."""
    plugins = assemble(Config())
    forwarder = plugins.make(plugins.forwarders, kind)
    make = partial(make_balancer, factories=plugins.balancers)
    await forwarder.start(
        ForwarderContext("127.0.0.1", int(rest_port), int(grpc_port), Policy(), balancer=make)
    )
    endpoint = Endpoint("server", rest, grpc)
    names = ["one", *(f"way-{index}" for index in range(1, int(count)))]
    change = ways(endpoint, names)
    gateways = {GATEWAYS: Destination((endpoint,))}
    await forwarder.apply(Change({**gateways, **change.destinations}, change.ways))
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while name := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        began = time.perf_counter()
        await forwarder.apply(ways(endpoint, [name]))
        print((time.perf_counter() - began) * 1e3, flush=True)
    await forwarder.stop()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
