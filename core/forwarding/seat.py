"""The seat of a process in one destination: how it does there."""

from __future__ import annotations

from penstock.core.contracts.forwarder import Endpoint, EndpointStanding, Outliers
from penstock.core.forwarding.process import Process


class Seat:
    """``process`` in one destination.

    A model that fails on one server says nothing of the server's other models, so failures are
    counted here. ``ejected_until_ms`` lies in the past for who may be asked.
    """

    __slots__ = ("_ejections", "_failures", "ejected_until_ms", "endpoint", "process", "why")

    def __init__(self, endpoint: Endpoint, process: Process) -> None:
        self.endpoint = endpoint
        self.process = process
        self.ejected_until_ms = float("-inf")
        self.why = ""
        self._failures = 0
        self._ejections = 0

    def succeeded(self, now_ms: float, outliers: Outliers) -> None:
        """It has answered. Hot."""
        self._failures = 0
        if self._ejections and now_ms > self.ejected_until_ms + self._ejections * outliers.eject_ms:
            self._ejections = 0

    def failed(self, why: str, outliers: Outliers) -> bool:
        """It has failed; whether that was once too often."""
        self._failures += 1
        self.why = why
        return self._failures >= outliers.failures

    def eject(self, now_ms: float, outliers: Outliers) -> None:
        """It is not asked for a while."""
        self._failures = 0
        self._ejections += 1
        self.ejected_until_ms = now_ms + self._ejections * outliers.eject_ms

    def fit(self, now_ms: float) -> bool:
        """Whether nothing speaks against asking it."""
        return self.ejected_until_ms <= now_ms and self.process.health != "unhealthy"

    def standing(self, destination: str, now_ms: float) -> EndpointStanding:
        """How it stands, for people."""
        if self.ejected_until_ms > now_ms:
            return EndpointStanding(destination, self.endpoint, "ejected", self.why)
        process = self.process
        return EndpointStanding(destination, self.endpoint, process.health, process.why)
