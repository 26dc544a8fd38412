"""Who may do what: bearer tokens that calls must bring."""

from __future__ import annotations

from hmac import compare_digest
from typing import Final

from penstock.core.credentials.tokens import Token
from penstock.core.errors import ForbiddenError, UnauthenticatedError

_HOW: Final = (
    "send the header 'authorization: Bearer TOKEN'; commands take it from --token-file or "
    "PENSTOCK_TOKEN"
)


class Access:
    """The tokens of a server: ``control`` for everything, ``inference`` for requests alone.

    Without ``inference`` anybody may send requests. Both are asked for again at each call, so that
    a token in a file can be replaced.
    """

    def __init__(self, control: Token, inference: Token | None = None) -> None:
        self._control = control
        self._inference = inference

    @property
    def guards_inference(self) -> bool:
        """Whether requests need a token."""
        return self._inference is not None

    def check_control(self, authorization: str | None) -> None:
        """For calls of the control plane; ``authorization`` is the header.

        Raises UnauthenticatedError, or ForbiddenError where the token is that of requests.
        """
        given = _token_in(authorization)
        if _same(given, self._control()):
            return
        if self._inference is not None and _same(given, self._inference()):
            raise ForbiddenError(
                "the token is for requests to models and pipelines; calls of the control plane "
                "need the one that scheduler.access.token names"
            )
        raise _unknown()

    def check_inference(self, authorization: str | None) -> None:
        """For requests. Raises UnauthenticatedError."""
        if self._inference is None:
            return
        given = _token_in(authorization)
        if not _same(given, self._inference()) and not _same(given, self._control()):
            raise _unknown()


def _token_in(authorization: str | None) -> str:
    """The token of a header; raises UnauthenticatedError where there is none."""
    if not authorization:
        raise UnauthenticatedError(f"the call brings no bearer token; {_HOW}")
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthenticatedError(f"the header authorization is no bearer token; {_HOW}")
    return token.strip()


def _same(given: str, wanted: str) -> bool:
    """In a time that does not tell how much of it is right."""
    return compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8", "replace"))


def _unknown() -> UnauthenticatedError:
    return UnauthenticatedError(f"the bearer token is none that this server takes; {_HOW}")
