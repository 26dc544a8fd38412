"""What is measured while a server is under load."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.core.bench.caller import Outcome
from penstock.core.bench.latencies import Latencies


class Fault(NamedTuple):
    """What errors are counted by."""

    code: str
    step: str | None


class Figures:
    """Counts of the requests that are measured; those of the warm-up are not.

    ``latencies`` are those of answers; an error's time says nothing of what serving takes.
    ``lateness`` is how much later than due requests were sent that nothing held up but this client
    itself. Times are in seconds of one clock.
    """

    def __init__(self) -> None:
        self.began_s: float | None = None
        self.ended_s = 0.0
        self.latencies = Latencies()
        self.lateness = Latencies()
        self.errors: dict[Fault, int] = {}
        self.sentences: dict[Fault, str] = {}
        self.sent = 0
        self.received = 0

    @property
    def failed(self) -> int:
        """Requests that ended with an error."""
        return sum(self.errors.values())

    @property
    def requests(self) -> int:
        """Requests that have ended."""
        return self.latencies.count + self.failed

    @property
    def elapsed_s(self) -> float:
        """From when the first request was due to the end of the last."""
        return 0.0 if self.began_s is None else self.ended_s - self.began_s

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.latencies.count / self.elapsed_s if self.elapsed_s else 0.0

    def count(self, due_s: float, done_s: float, outcome: Outcome) -> None:
        """A request that was due then has ended now."""
        self.began_s = due_s if self.began_s is None else min(self.began_s, due_s)
        self.ended_s = max(self.ended_s, done_s)
        self.sent += outcome.sent
        self.received += outcome.received
        if outcome.error is None:
            self.latencies.add((done_s - due_s) * 1000.0)
            return
        fault = Fault(outcome.error.code, outcome.error.step)
        self.errors[fault] = self.errors.get(fault, 0) + 1
        self.sentences.setdefault(fault, outcome.error.message)

    def document(self) -> dict[str, Any]:
        """Everything, for programs."""
        elapsed_s = self.elapsed_s or 1.0
        return {
            "requests": self.requests,
            "answered": self.latencies.count,
            "failed": self.failed,
            "elapsed_s": round(self.elapsed_s, 3),
            "rate_per_s": round(self.rate, 2),
            "latency_ms": self.latencies.document(),
            "errors": [
                {
                    "code": fault.code,
                    "step": fault.step,
                    "count": count,
                    "error": self.sentences[fault],
                }
                for fault, count in self.by_number()
            ],
            "bytes": {
                "sent": self.sent,
                "received": self.received,
                "sent_per_s": round(self.sent / elapsed_s),
                "received_per_s": round(self.received / elapsed_s),
            },
        }

    def by_number(self) -> list[tuple[Fault, int]]:
        """The errors, the most frequent first."""
        return sorted(self.errors.items(), key=lambda each: -each[1])
