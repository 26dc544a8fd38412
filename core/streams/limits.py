"""The bounds of a worker on streams."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much a worker has in hand.

    ``in_flight`` are the records of one pipeline that are taken and not finished, shared evenly by
    the partitions that the worker has of it, ``waiting`` the records of one partition that wait for
    what other pipelines bring, ``deadline_ms`` the time for a request whose pipeline and record do
    not say otherwise, ``hand_over_ms`` how long what is under way may still take when a partition
    goes to another worker.
    """

    in_flight: int = 256
    waiting: int = 256
    dedup_requests: int = 100_000
    max_deliveries: int = 5
    deadline_ms: float = 600_000.0
    hand_over_ms: float = 2_000.0
