"""The program that finds the way of each request, as Envoy is given it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Final

from penstock.core.contracts.forwarder import Destination, ForwarderContext, Share
from penstock.transports.envoy.clusters import PROTOCOLS, Protocol, speaks

CLUSTER_HEADER: Final = "x-penstock-cluster"
WAY_HEADER: Final = "x-penstock-way"
TRAIL_HEADER: Final = "x-penstock-trail"

CONSTANTS: Final = 30_000
"""Names in one table of the program's text; LuaJIT takes 65,536 constants in one piece."""

_PROGRAM: Final = Path(__file__).with_name("steering.lua")
_NONE: Final = "-"
_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9_. ,-]")


@lru_cache(maxsize=1)
def _program() -> str:
    return _PROGRAM.read_text()


def steering(protocol: Protocol, context: ForwarderContext, table: str) -> str:
    """The program for one listener, with the table of its names."""
    policy = context.policy
    hedge = "nil" if policy.hedge_after_ms is None else f'"{max(1, ceil(policy.hedge_after_ms))}"'
    return (
        f'local PROTOCOL = "{protocol}"\n'
        f"local TIMEOUT_MS = {max(1, ceil(policy.timeout_ms))}\n"
        f"local HEDGE_MS = {hedge}\n"
        f"local MAX_BYTES = {context.max_request_bytes}\n"
        f"{table}{_program()}"
    )


def table(entries: Iterable[str]) -> str:
    """The table of the names that have one way."""
    left = iter(entries)
    text = "local WAYS = {}\n"
    while part := "".join(islice(left, CONSTANTS)):
        text += f"for name, way in pairs({{{part}}}) do WAYS[name] = way end\n"
    return text


def table_entry(name: str, key: str, destination: Destination, share: Share) -> str:
    """What the table says of a name that has one way: its cluster, the protocols that are spoken
    there, and what goes along."""
    spoken = [p for p in PROTOCOLS if any(speaks(each, p) for each in destination.endpoints)]
    version, target = destination.version or _NONE, share.target or _NONE
    way = f"{key} {','.join(spoken) or _NONE} {version} {target}"
    return f"[{_quoted(name)}]={_quoted(way)},\n"


def _quoted(text: str) -> str:
    """Text as Lua writes it, whatever is in it."""
    inside = _UNSAFE.sub(lambda match: b"\\%03d" % match[0][0], text.encode())
    return f'"{inside.decode()}"'
