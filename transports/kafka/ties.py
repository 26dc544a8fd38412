"""Whether a client of the library still has a broker that it could connect to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_EVERY_S: Final = 2.0
"""How often the library tells how a client stands."""

_ENOUGH: Final = 2
"""What is said so often is so: for a moment it may be so while brokers are found anew."""

_BROKERS: Final = ('"brokers":{ }', '"source":"')
"""How the library writes of brokers, or that there are none. Where it writes otherwise, nothing is
concluded."""

_SOMEWHERE: Final = ('"source":"learned"', '"source":"configured"')
"""How it writes of those that have an address. Others are its own doing."""


class Ties:
    """Those of one client, told by what the library says of it whenever the client is polled.

    A broker that has just been started, and that its controller has not let in yet, answers
    questions, and says that there are no brokers. The library believes it, lets go of all that it
    knows, and may never begin again at the bootstrap servers (librdkafka 5301): such a client is
    of no use any more, and says nothing.
    """

    __slots__ = ("_without",)

    def __init__(self) -> None:
        self._without = 0

    @property
    def options(self) -> dict[str, Any]:
        """What the client is to be made with."""
        return {"statistics.interval.ms": str(int(_EVERY_S * 1000)), "stats_cb": self.told}

    @property
    def are_cut(self) -> bool:
        """Whether the client is to be replaced."""
        return self._without >= _ENOUGH

    def told(self, text: str) -> None:
        """The library tells how the client stands: a document in JSON, which is looked through for
        one thing, since with many partitions it is long."""
        lost = _tells(text, _BROKERS) and not _tells(text, _SOMEWHERE)
        self._without = self._without + 1 if lost else 0


def _tells(text: str, either: Sequence[str]) -> bool:
    return any(each in text for each in either)
