"""How the ports of a pipeline ended in the cases that were played, for those that read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

from penstock.core.records import Absent, Body, Failed, Port
from penstock.core.simulation import Outcome


class PortEnd(NamedTuple):
    """How a port ended, and the names of the tensors of a value."""

    state: Literal["value", "absent", "failed"]
    names: tuple[str, ...] = ()


PortEnds: TypeAlias = tuple[tuple[Port, PortEnd], ...]
"""How several ports of a pipeline ended in one case."""


class PortWatch:
    """Looks at some ports over all the requests that are played. What is seen together is kept
    together: a step that was skipped tells of the one that skipped it."""

    def __init__(self, ports: Iterable[Port]) -> None:
        self._ports = tuple(ports)
        self._seen: dict[PortEnds, None] = {}

    def see(self, outcome: Outcome) -> None:
        """Take one request into account, if all of the ports ended in it."""
        if all(str(port) in outcome.ports for port in self._ports):
            ends = tuple((port, _end_of(outcome.ports[str(port)][0][1])) for port in self._ports)
            self._seen[ends] = None

    @property
    def seen(self) -> tuple[PortEnds, ...]:
        """All of it, what is usual first."""
        return tuple(self._seen)


def _end_of(body: Body) -> PortEnd:
    if isinstance(body, Failed):
        return PortEnd("failed")
    if isinstance(body, Absent):
        return PortEnd("absent")
    return PortEnd("value", tuple(tensor.name for tensor in body))
