"""What experiments have chosen for one request, and who is told how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from penstock.core.contracts.forwarder import Forwarded
from penstock.core.errors import PenstockError
from penstock.core.experiments.fault import fault_of_error
from penstock.core.inference import InferenceRequest, InferenceResponse

Result: TypeAlias = InferenceResponse | PenstockError

Observe: TypeAlias = Callable[[Forwarded, InferenceRequest, Result], None]
"""Is told of each request that an experiment has sent one way, when it has ended."""


def nobody_looks(seen: Forwarded, request: InferenceRequest, result: Result) -> None:
    """Where nobody compares candidates."""


class Chosen(NamedTuple):
    """The arm that one version of an experiment has chosen."""

    experiment: str
    version: int
    arm: str


class Split(NamedTuple):
    """The choices on the way of a request, and who ``observe``s what becomes of it.

    Where another process carries the request out, they go along as :attr:`text`.
    """

    chosen: tuple[Chosen, ...]
    observe: Observe

    def ended(self, request: InferenceRequest, result: Result, took_ms: float) -> None:
        """The request has ended. Where that says nothing of the arms, nobody is told."""
        fault = fault_of_error(result) if isinstance(result, PenstockError) else False
        if fault is None:
            return
        for experiment, version, arm in self.chosen:
            self.observe(Forwarded(experiment, version, arm, fault, took_ms), request, result)

    @property
    def text(self) -> str:
        """The choices as ``outer.3.inner:inner.1.b``; no name has such a character."""
        return ":".join([f"{each.experiment}.{each.version}.{each.arm}" for each in self.chosen])

    @classmethod
    def read(cls, text: str, observe: Observe) -> Split:
        """The choices of a text; what is written otherwise says nothing."""
        return cls(tuple(_read(text.split(":"))), observe)


def _read(steps: Iterable[str]) -> Iterable[Chosen]:
    for step in steps:
        words = step.split(".")
        if len(words) == 3 and words[1].isdecimal():
            yield Chosen(words[0], int(words[1]), words[2])
