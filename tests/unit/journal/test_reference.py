"""The page about what is told of a request has every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.inference import InferenceRequest
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.testing.scripts import tensor

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "requests.md"
SPEC = {
    "steps": [
        {"name": "good"},
        {"name": "bad", "retries": 1, "onError": "absent"},
        {"name": "worse", "model": "bad"},
        {"name": "gated", "model": "good", "triggers": ["bad"]},
        {"name": "child", "pipeline": "inner"},
    ],
    "output": {"steps": ["good", "worse"]},
}


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from keys(each)


def test_every_key_is_on_the_page() -> None:
    async def main(clock: VirtualClock) -> set[str]:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        at.model("good", [Act("now")])
        at.model("bad", [Act("fails", 3.0)])
        at.pipeline("inner", {"steps": [{"name": "good"}], "output": {"steps": ["good"]}}, "all")
        at.pipeline("p", SPEC, record="all")
        section = {"input": {"externalInputs": ["p.inputs"]}}
        reader = {**section, "steps": [{"name": "good"}], "output": {"steps": ["good"]}}
        at.pipeline("reader", reader, "boundary")
        at.pipeline("silent", {"steps": [{"name": "bad"}]})
        caller = Caller(at)
        caller.send("p")
        at.gateway.resolve("silent").accept(InferenceRequest(None, (tensor("x"),)), {})
        await at.gateway.drain()
        assert caller.ticket is not None
        found = set(keys(at.desk.inspect(caller.ticket.identity)))
        return found | set(keys(at.desk.letters()))

    told = in_virtual_time(main)
    assert {
        "ended_by",
        "failed_attempts",
        "cause",
        "may_be_sent_again",
        "details",
        "brought",
    } <= told
    written = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    assert told - written == set()
