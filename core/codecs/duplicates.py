"""Names that must differ within one request."""

from __future__ import annotations

from collections import Counter

from penstock.core.errors import InvalidRequestError


def refuse_duplicates(names: list[str], side: str) -> None:
    """Raise InvalidRequestError for a tensor that stands twice in ``inputs`` or ``outputs``."""
    if len(set(names)) != len(names):
        name = Counter(names).most_common(1)[0][0]
        raise InvalidRequestError(f"tensor '{name}' stands twice in '{side}'; send it once")
