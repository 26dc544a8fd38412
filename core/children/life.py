"""How a server that is kept running stands, and when it is started again."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Standing: TypeAlias = Literal["starting", "up", "waiting", "stopped"]
"""``waiting``: it has ended and is started again after a pause."""

FIRST_PAUSE_MS: Final = 500.0
LONGEST_PAUSE_MS: Final = 30_000.0
"""Between an end and the next start of a server that keeps ending; the first is at once."""

SOUND_MS: Final = 60_000.0
"""A server that was up for so long has not kept ending."""


class Life:
    """The standing of one server, from its first start to its last end.

    ::

        starting -> up -> waiting -> starting ...     any -> stopped
        starting -> waiting

    ``subject`` is what sentences call it, as ``server 'big/0'``. Times are milliseconds of one
    clock.
    """

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._ends = 0
        self._up_since_ms: float | None = None
        self._next_start_ms = 0.0
        self.how = ""
        """How it ended last, in words after its name; empty when it never has."""
        self.standing: Standing = "starting"

    def starts(self) -> None:
        """It is started, for the first time or again."""
        assert self.standing in ("starting", "waiting"), self.standing
        self.standing = "starting"

    def is_up(self, now_ms: float) -> None:
        """It can be called."""
        assert self.standing == "starting", self.standing
        self.standing = "up"
        self._up_since_ms = now_ms

    def ended(self, how: str, now_ms: float) -> float:
        """It has ended by itself, ``how`` in words after its name. The pause before the next
        start, in milliseconds."""
        assert self.standing in ("starting", "up"), self.standing
        if self._up_since_ms is not None and now_ms - self._up_since_ms >= SOUND_MS:
            self._ends = 0
        self._up_since_ms = None
        self._ends += 1
        pause_ms = 0.0
        if self._ends > 1:
            pause_ms = min(FIRST_PAUSE_MS * 2.0 ** min(self._ends - 2, 30), LONGEST_PAUSE_MS)
        self.standing = "waiting"
        self.how = how
        self._next_start_ms = now_ms + pause_ms
        return pause_ms

    def stops(self) -> None:
        """It is wanted no more."""
        self.standing = "stopped"

    def why_not(self, now_ms: float) -> str | None:
        """Why it cannot be called, as a sentence; None when it can."""
        if self.standing == "up":
            return None
        if self.standing == "stopped":
            return f"{self._subject} is stopped"
        if not self.how:
            return f"{self._subject} is starting"
        left_s = (self._next_start_ms - now_ms) / 1000.0
        if self.standing == "starting" or left_s <= 0.0:
            return f"{self._subject} {self.how} and is being started again"
        return f"{self._subject} {self.how}; it is started again in {left_s:.1f} s"
