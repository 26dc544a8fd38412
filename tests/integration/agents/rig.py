"""Schedulers and agents in processes of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.program import Program, program
from integration.gateways.rig import PATIENCE_S, PORTS
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer

QUICK = (
    "scheduler:\n"
    "  database: store.db\n"
    "  settleMs: 3000\n"
    "  agents: {beatMs: 200, silenceMs: 3000, graceMs: 1500, returnMs: 2000, keepMs: 3000}\n"
)
"""The configuration of a scheduler that is not as patient as usual."""


@contextmanager
def scheduler(folder: Path, like: Program | None = None) -> Iterator[Program]:
    """A scheduler, at the address of the one that it takes the place of."""
    folder.mkdir(exist_ok=True)
    (folder / "penstock.yaml").write_text(QUICK, encoding="utf-8")
    ports = PORTS if like is None else ("--rest-port", "0", "--grpc-port", like.grpc_port)
    with program(folder, "run", "scheduler", *ports) as started:
        yield started


@contextmanager
def agent(folder: Path, follows: Program, *words: str, **more: Any) -> Iterator[Program]:
    """An agent of a scheduler."""
    with program(folder, "run", "agent", "--scheduler", follows.grpc, *words, **more) as started:
        yield started


async def conditions(place: str, kind: str, name: str) -> dict[str, str]:
    """What is said of a resource, by the type of the condition."""
    async with ControlClient(RemoteServer.at(place)) as control:
        await control.reach(PATIENCE_S)
        found = await control.get(kind, name)
    return {
        each["type"]: each["message"] if each["status"] == "True" else f"no: {each['message']}"
        for each in found["status"]["conditions"]
    }


async def until_said(
    place: str, kind: str, name: str, holds: Callable[[dict[str, str]], bool]
) -> dict[str, str]:
    """Wait until what is said of a resource is as wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            said = await conditions(place, kind, name)
            if holds(said):
                return said
            await asyncio.sleep(0.05)


def serves(said: dict[str, str]) -> bool:
    """Whether it serves as it is wanted."""
    return set(said) == {"Ready"} and not said["Ready"].startswith("no")
