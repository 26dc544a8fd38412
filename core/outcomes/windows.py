"""Which joins of a request that was played were decided by the clock, and not by a record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from penstock.core.plan import Consumer, Plan
from penstock.core.records import Body, Failed
from penstock.core.simulation import Outcome

LONG_MS: Final = 0.5
"""Calls take far less than that when a pipeline is played, and windows longer."""


def ended_by_clock(plan: Plan, outcome: Outcome) -> Iterator[str]:
    """The names of joins that were decided long after the last of their records had come: at the
    end of a window, or of a time that a strategy waits, but not at the request's deadline."""
    for consumer in (*plan.steps, plan.output):
        if consumer is None:
            continue
        decided = _decided(consumer, outcome)
        if decided is None:
            continue
        at_ms, body = decided
        if isinstance(body, Failed) and body.code == "deadline":
            continue
        came = [
            outcome.at(port)
            for port in ports_read(consumer, plan)
            if port in outcome.ports and outcome.at(port) <= at_ms
        ]
        if came and at_ms - max(came) > LONG_MS:
            yield consumer.name


def ports_read(consumer: Consumer, plan: Plan) -> list[str]:
    """The ports that a consumer joins, as a simulation names them."""
    triggers = () if consumer.triggers is None else consumer.triggers.references
    references = (*consumer.inputs.references, *triggers)
    return list(dict.fromkeys(port_and_tensor(text, plan)[0] for text in references))


def port_and_tensor(reference: str, plan: Plan) -> tuple[str, str]:
    """The port of a reference that is written in full, as a simulation names it, and the tensor
    (empty for the whole port)."""
    name, side, *tensor = reference.split(".", 2)
    return side if name == plan.name else f"{name}.{side}", "".join(tensor)


def _decided(consumer: Consumer, outcome: Outcome) -> tuple[float, Body] | None:
    """When it was decided what a consumer does, and what."""
    if not hasattr(consumer, "model"):
        return (outcome.answers[0][0], outcome.answers[0][1].body) if outcome.answers else None
    records = outcome.ports.get(f"{consumer.name}.inputs")
    return records[0] if records else None
