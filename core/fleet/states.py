"""The states of servers, replica by replica, and of the copies of models on them."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from penstock.core.states import StateTable, Turn

Standing: TypeAlias = Literal["starting", "up", "failed", "draining", "gone"]

CopyState: TypeAlias = Literal["loading", "loaded", "leaving", "gone"]

SERVER_STATES: Final[StateTable[Standing]] = StateTable(
    "server replica",
    {
        "starting": "It is being started, also for the second time and later ones. Models that "
        "suit it wait for it.",
        "up": "Models are loaded on it and called. One that an operator drains stays up, and keeps "
        "its models until they are loaded elsewhere.",
        "failed": "It could not be started, and is not tried again.",
        "draining": "It takes no models. Those that it has leave: at once when they are loaded "
        "elsewhere or fit nowhere else, otherwise when the other copies are loaded.",
        "gone": "It is stopped, or its agent is not counted on any more.",
    },
    (
        Turn("starting", "it answers", "up"),
        Turn("starting", "its start fails for good", "failed"),
        Turn("starting", "its agent is away for too long, or another takes its place", "gone"),
        Turn("starting", "it is not wanted any more", "draining"),
        Turn("up", "it is not wanted any more, or another version of it is up", "draining"),
        Turn("up", "its agent is away for too long, or another takes its place", "gone"),
        Turn("failed", "it is not wanted any more, or another version of it is up", "draining"),
        Turn("draining", "it is an agent's that stood by, and is wanted again", "up"),
        Turn("draining", "it holds no models, or its agent is away for too long", "gone"),
    ),
)

COPY_STATES: Final[StateTable[CopyState]] = StateTable(
    "copy",
    {
        "loading": "Its room on the replica is taken; its artifacts are fetched and its server "
        "loads it.",
        "loaded": "It can be called.",
        "leaving": "No new calls go to it. It is unloaded when those under way have ended.",
        "gone": "It is unloaded, and its room is free.",
    },
    (
        Turn("loading", "its server has loaded it", "loaded"),
        Turn("loading", "it cannot be loaded", "gone"),
        Turn("loading", "its version is not wanted any more", "leaving"),
        Turn(
            "loaded",
            "its version is replaced or deleted, there are more than wanted, or its replica goes",
            "leaving",
        ),
        Turn("leaving", "no call is under way on it", "gone"),
    ),
)
