"""Waits for a transport that is away, slow or electing when a process starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from penstock.core.errors import NotFoundError, NotReadyError

PATIENCE_S: Final = 300.0
"""How long a process waits for its transport when it starts, all in all."""

FIRST_BACKOFF_S: Final = 0.5
LAST_BACKOFF_S: Final = 5.0

_log = logging.getLogger(__name__)


class Patience:
    """That of one start, from when this is made. Used on the event loop.

    ``root`` is what the transport's streams are under.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._now_s = asyncio.get_running_loop().time
        self._until_s = self._now_s() + PATIENCE_S

    async def see_through(self, step: Callable[[], Awaitable[object]]) -> None:
        """Take a step of the start as often as it needs; one that has failed can be taken again.

        Says at each failure what is waited for. Raises NotReadyError when the time is over.
        """
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                await step()
                return
            # Streams are made before they are used: one that is not there is one of which the
            # broker has not heard yet.
            except (NotReadyError, NotFoundError) as error:
                left_s = self._until_s - self._now_s()
                if left_s <= 0.0:
                    raise NotReadyError(
                        f"the streams of '{self._root}' could not be had within {PATIENCE_S:g} s, "
                        f"at last: {error.message}"
                    ) from error
                _log.warning(
                    "this process waits for the streams of '%s', for another %.0f s at most: %s",
                    self._root,
                    left_s,
                    error.message,
                )
            await asyncio.sleep(min(backoff_s, left_s))
            backoff_s = min(2.0 * backoff_s, LAST_BACKOFF_S)
