"""How large a message may be that is taken in."""

from __future__ import annotations

from typing import Final

from penstock.core.request_limit import too_large

HARD_LIMIT: Final = 2
"""So many times the limit grpcio still receives: what lies between is refused with our own error,
what is larger with grpcio's, which no handler ever sees."""


class MessageLimit:
    """Refuses messages of more than ``max_bytes``."""

    __slots__ = ("max_bytes",)

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes

    def check(self, message: bytes) -> None:
        """Raise TooLargeError for a message that is too large. Hot."""
        if len(message) > self.max_bytes:
            raise too_large(self.max_bytes)
