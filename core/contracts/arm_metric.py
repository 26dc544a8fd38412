"""The contract of an arm metric: a number that is computed of each answer of an experiment."""

from __future__ import annotations

from abc import ABC, abstractmethod

from penstock.core.inference import InferenceRequest, InferenceResponse


class ArmMetric(ABC):
    """Measures answers, so that the arms of an experiment can be compared by more than errors and
    latencies. Pure: the same request and response, the same number."""

    @abstractmethod
    def measure(self, request: InferenceRequest, response: InferenceResponse) -> float | None:
        """The number, None where this answer has none.

        Called in the process that answers, on its event loop, after each answer of an arm of an
        experiment whose manifest names it: it must take microseconds. What is not finite counts
        as none. So does an error that it raises, of which the first is logged.
        """
