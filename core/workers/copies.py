"""How many copies a model has over several workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from penstock.core.control.policy import WantedCopies
from penstock.core.resources.model import ModelDeclaration

IN_WORKERS: Final = "inprocess"
"""The server, and its adapter, whose replicas the workers are."""


@dataclass(frozen=True, slots=True)
class CopyInEach:
    """One copy in each of so many workers, so that no request has to change the process, of models
    that can be there; one of every other. ``capabilities`` are those of a worker."""

    workers: int
    capabilities: frozenset[str]

    def __call__(self, spec: ModelDeclaration) -> WantedCopies:
        """The copies of a model whose manifest does not say how many."""
        can_be_there = self.capabilities.issuperset(spec.requirements)
        if can_be_there and spec.server in (None, IN_WORKERS):
            return WantedCopies(self.workers, IN_WORKERS)
        return WantedCopies(1, spec.server)
