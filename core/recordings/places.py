"""Where the record of a request may be, as far as its identity says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple
from zlib import crc32

from penstock.core.contracts.transport import From
from penstock.core.identity import made_ms, whereabouts_of
from penstock.core.pipeline_gateway.answers import ACCEPTED_WITHIN_MS, SLACK_MS
from penstock.core.plan import Plan
from penstock.core.records import Port
from penstock.core.streams.names import StreamNames

_PLACE: Final = re.compile(r"(?P<stream>.+)/(?P<partition>\d{1,6})/(?P<offset>\d{1,18})")
_INPUTS: Final = Port(None, "inputs")


class Place(NamedTuple):
    """A part of an input stream: from ``begin`` on, up to ``until_ms``. Where ``exact``, the first
    record is the request, whatever identity it has."""

    pipeline: str
    partition: int
    begin: From
    until_ms: float = float("inf")
    exact: bool = False


def places_of(identity: str, plans: Iterable[Plan], names: StreamNames) -> list[Place]:
    """Where a request may be: none for an identity that says nothing of it, as that of a caller.

    ``<pipeline>/<partition>/<offset>`` names a record, and so does the identity of one that others
    than gateways wrote, in which the name of the stream stands for the pipeline.
    """
    plans = list(plans)
    where, at_ms = whereabouts_of(identity), made_ms(identity)
    written = _PLACE.fullmatch(identity)
    if written is not None:
        streams = {names.of(plan.name, _INPUTS): plan.name for plan in plans}
        streams |= {plan.name: plan.name for plan in plans}
        pipeline = streams.get(written["stream"])
        begin = From(offset=int(written["offset"]))
        if pipeline is not None:
            return [Place(pipeline, int(written["partition"]), begin, exact=True)]
    if at_ms is None:
        return []
    begin, until_ms = From(time_ms=at_ms - SLACK_MS), at_ms + ACCEPTED_WITHIN_MS
    if where is not None:
        return [Place(where.pipeline, where.partition, begin, until_ms)]
    return [
        Place(plan.name, partition, begin, until_ms)
        for plan in plans
        for partition in _partitions(plan, identity)
    ]


def _partitions(plan: Plan, identity: str) -> Iterator[int]:
    """Those of a pipeline that a request with an identity may be in."""
    if plan.key is None:
        yield crc32(identity.encode()) % plan.partitions
    else:
        yield from range(plan.partitions)
