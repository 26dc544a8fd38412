"""Messages of which nothing matters but where they are, and their deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from penstock.core.contracts.transport import Delivery


def message_at(offset: int, headers: Sequence[tuple[str, bytes]] = ()) -> Any:
    """One at an offset."""
    return SimpleNamespace(offset=lambda: offset, headers=lambda: headers)


def delivery_of(message: Any, attempt: int) -> Delivery:
    """Its delivery."""
    return Delivery("s", 0, message.offset(), cast("Any", None), attempt, 0.0)
