"""Those that follow one request, told in a way that cannot harm it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from penstock.core.contracts.follower import Follower, Following, RequestSeen
from penstock.core.records import Headers

_log = logging.getLogger(__name__)


class Watch:
    """One request's followings; one that raises is told no more."""

    __slots__ = ("_followings", "_identity")

    def __init__(self, followings: list[Following], identity: str) -> None:
        self._followings = followings
        self._identity = identity

    def tell(self, told: Callable[[Following], Headers | None]) -> dict[str, str]:
        """Tell each of them; the headers that they give back, those of the last one first."""
        headers: dict[str, str] = {}
        for following in tuple(self._followings):
            try:
                headers |= told(following) or {}
            except Exception:
                _log.exception(
                    "%s failed, and follows no more: request %s",
                    type(following).__name__,
                    self._identity,
                )
                self._followings.remove(following)
        return headers


def watch_of(followers: Iterable[Follower], request: RequestSeen) -> Watch | None:
    """Who follows a request; None when nobody does."""
    followings = []
    for follower in followers:
        try:
            following = follower.follow(request)
        except Exception:
            _log.exception("%s failed to look at a request", type(follower).__name__)
        else:
            if following is not None:
                followings.append(following)
    return Watch(followings, request.identity) if followings else None
