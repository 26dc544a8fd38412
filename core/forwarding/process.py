"""A process that answers requests, as a forwarder sees it from outside."""

from __future__ import annotations

from penstock.core.contracts.balancer import Loaded
from penstock.core.contracts.forwarder import Endpoint, Health, HealthChecks

LEAST_WEIGHT = 0.1
"""Of a process that has just come."""


class Process:
    """One process, in however many destinations it stands.

    ``in_flight`` counts the requests that wait for it. What does I/O makes a class of its own of
    this one.
    """

    __slots__ = ("_came_ms", "_failed", "_passed", "endpoint", "health", "in_flight", "why")

    def __init__(self, endpoint: Endpoint, came_ms: float) -> None:
        self.endpoint = endpoint
        self.in_flight = 0
        self.health: Health = "unknown"
        self.why = ""
        self._came_ms = came_ms
        self._failed = 0
        self._passed = 0

    def passed_check(self, checks: HealthChecks) -> None:
        """It has said that it is up."""
        self._failed = 0
        self._passed += 1
        if self.health == "unknown" or self._passed >= checks.healthy_after:
            self.health, self.why = "healthy", ""

    def failed_check(self, why: str, checks: HealthChecks) -> None:
        """It has not said that it is up."""
        self._passed = 0
        self._failed += 1
        if self._failed >= checks.unhealthy_after:
            self.health, self.why = "unhealthy", why

    def weight(self, now_ms: float, slow_start_ms: float) -> float:
        """How much it should get beside one that has been there for long."""
        age_ms = now_ms - self._came_ms
        if age_ms >= slow_start_ms:
            return 1.0
        return max(LEAST_WEIGHT, age_ms / slow_start_ms)

    def loaded(self, name: str, now_ms: float, slow_start_ms: float) -> Loaded:
        """What a balancer is told of it."""
        weight = self.weight(now_ms, slow_start_ms) if slow_start_ms else 1.0
        return Loaded(name, weight, self.in_flight, self.endpoint.zone)

    def close(self) -> None:
        """It stands in no destination any more."""
