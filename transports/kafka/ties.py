"""Whether a client of the library still has a broker that it could connect to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_TELLING_MS: Final = 2_000
"""How often the library tells how a client stands."""

_ENOUGH: Final = 2
"""What is said so often is so: for a moment it may be so while brokers are found anew."""

_BROKERS: Final = ('"brokers":{ }', '"source":"')
"""How the library writes of brokers, or that there are none. Where it writes otherwise, nothing is
concluded."""

_SOMEWHERE: Final = ('"source":"learned"', '"source":"configured"')
"""How it writes of those that have an address. Others are its own doing."""

_CONNECTED: Final = '"source":"learned", "state":"UP"'

_STATES: Final = re.compile(
    r'"source":"(?:learned|configured)",\s*"state":"(\w+)",\s*"stateage":(-?\d+)'
)
"""The state of each, and for how many microseconds it has been in it; less than none, where it came
into it while this was written."""

_AT_REST: Final = "INIT"
"""Neither connected nor being connected to; so it is between tries, too."""

_NOTHING_WAITS: Final = ('"type": "producer"', '"msg_cnt":0,')
"""How it writes of a client that needs no broker: there is nothing to be written."""

_PAUSE_OPTION: Final = "reconnect.backoff.max.ms"
_LONGEST_PAUSE_MS: Final = 10_000
"""Between two tries, where no option says so; half of it more by chance."""

_MOMENT_MS: Final = 2_000
"""A try may come that much later, on a machine that has no time."""


class Ties:
    """Those of one client, told by what the library says of it whenever the client is polled.

    A broker that has just been started, or that stood still for longer than its session, answers
    questions before its controller lets it in, and says that there are no brokers, or that
    partitions have no leader. The library believes it, lets go of what it knows, and may never
    begin again at the bootstrap servers (librdkafka 5301), or know a broker and never connect to
    it, since no partition is said to be there: such a client is of no use any more, and says
    nothing.

    ``config`` is the client's.
    """

    __slots__ = ("_rest_us", "_without")

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._without = 0
        pause_ms = 1.5 * float(config.get(_PAUSE_OPTION, _LONGEST_PAUSE_MS))
        self._rest_us = (pause_ms + _MOMENT_MS) * 1000.0

    @property
    def options(self) -> dict[str, Any]:
        """What the client is to be made with."""
        return {"statistics.interval.ms": str(_TELLING_MS), "stats_cb": self.told}

    @property
    def are_cut(self) -> bool:
        """Whether the client is to be replaced."""
        return self._without >= _ENOUGH

    def told(self, text: str) -> None:
        """The library tells how the client stands: a document in JSON, which is looked through for
        a few things, since with many partitions it is long."""
        self._without = self._without + 1 if self._has_none(text) else 0

    def _has_none(self, text: str) -> bool:
        if _CONNECTED in text or not _tells(text, _BROKERS):
            return False
        return not _tells(text, _SOMEWHERE) or self._rests(text)

    def _rests(self, text: str) -> bool:
        """Whether it needs a broker, and has tried none for longer than between two tries."""
        states = _STATES.findall(text)
        rest = [state == _AT_REST and float(us) > self._rest_us for state, us in states]
        return bool(rest) and all(rest) and not all(each in text for each in _NOTHING_WAITS)


def _tells(text: str, either: Sequence[str]) -> bool:
    return any(each in text for each in either)
