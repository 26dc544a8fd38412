"""The contract of what an agent tells of the copies that it has loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod

from penstock.core.contracts.call_figures import CallFigures
from penstock.core.contracts.model import ModelInstance


class AgentCopies(ABC):
    """Has copies called by the names that they have at the agent."""

    @abstractmethod
    def put(self, name: str, version: int, instance: ModelInstance) -> None:
        """From now on calls of ``name`` go to ``instance``."""

    @abstractmethod
    def answer_as(self, name: str, model: str, version: int) -> None:
        """Have ``name`` answer to a version of its model as well, for who calls it past the
        scheduler. Comes after :meth:`put`, and may be repeated."""

    @abstractmethod
    async def take_away(self, name: str, version: int, instance: ModelInstance) -> None:
        """Take in no calls of ``name``, and return when none is under way."""

    def calls(self, name: str, model: str) -> CallFigures | None:
        """What this process has counted of the calls of a copy of ``model``; None where it does not
        count them."""
        return None
