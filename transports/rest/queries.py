"""Query parameters and small JSON bodies, read strictly."""

from __future__ import annotations

from datetime import datetime

from starlette.datastructures import QueryParams

from penstock.core.errors import InvalidRequestError

MAX_REVISION = 2**63 - 1


def flag(query: QueryParams, name: str) -> bool:
    """A parameter that is ``true`` or ``false``, the latter when it is missing."""
    value = query.get(name, "false")
    if value not in ("true", "false"):
        raise InvalidRequestError(f"the query parameter {name} is '{value[:40]}'; true or false")
    return value == "true"


def number(text: str, what: str, most: int) -> int:
    """A whole number from 0 to ``most``."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= most):
        raise InvalidRequestError(
            f"{what} is '{text[:40]}'; it must be a whole number, 0 to {most}"
        )
    return int(text)


def revision(text: str, what: str) -> int:
    """A number of a revision, at least 0."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_REVISION):
        raise InvalidRequestError(
            f"{what} is '{text[:40]}'; it must be a revision, a whole number from 0 on"
        )
    return int(text)


def moment_ms(text: str | None, name: str, missing_ms: float) -> float:
    """A moment in milliseconds since the epoch, ``missing_ms`` where there is none."""
    if text is None:
        return missing_ms
    try:
        return datetime.fromisoformat(text).timestamp() * 1000.0
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            f"the query parameter {name} is '{text[:40]}'; write it as 2026-01-31T12:00:00Z"
        ) from None
