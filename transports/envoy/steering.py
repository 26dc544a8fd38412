"""The program that finds the way of each request, as Envoy is given it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import ceil
from pathlib import Path
from typing import Final

from penstock.core.contracts.forwarder import Destination, ForwarderContext, Share
from penstock.transports.envoy.clusters import PROTOCOLS, Protocol, speaks

CLUSTER_HEADER: Final = "x-penstock-cluster"
WAY_HEADER: Final = "x-penstock-way"
TRAIL_HEADER: Final = "x-penstock-trail"

_PROGRAM: Final = Path(__file__).with_name("steering.lua")
_NONE: Final = "-"
_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9_.,-]")
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")


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


def table(names_by_way: Mapping[str, Iterable[str]]) -> str:
    """The table of the names that have one way, each way with all of its names: it is read by each
    thread of Envoy after every change, and a way in short is soon read."""
    lines = ["local WAYS = {}\n"]
    for way, names in names_by_way.items():
        written = " ".join(filter(_is_name, names))
        lines.append(f'for name in ("{written}"):gmatch("%S+") do WAYS[name] = "{way}" end\n')
    return "".join(lines)


def way_words(key: str, destination: Destination, share: Share) -> str:
    """What the table says of a way: its cluster, the protocols that are spoken there, and what goes
    along."""
    spoken = [p for p in PROTOCOLS if any(speaks(each, p) for each in destination.endpoints)]
    version, target = destination.version or _NONE, share.target or _NONE
    words = (key, ",".join(spoken) or _NONE, version, target)
    return " ".join(map(_quoted, words))


def _quoted(text: str) -> str:
    """A word as Lua writes it in a text, whatever is in it."""
    return _UNSAFE.sub(lambda match: b"\\%03d" % match[0][0], text.encode()).decode()


def _is_name(text: str) -> bool:
    # What is no name, nobody is asked for by; a gateway says so.
    return _NAME.fullmatch(text) is not None
