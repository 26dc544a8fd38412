"""What happened to a resource lately, read off the changes that the store remembers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from penstock.core.control.standing import PROGRESSING
from penstock.core.control.store import StoredChange
from penstock.core.resources.status import Condition

Event: TypeAlias = dict[str, Any]
"""``at``, and what a condition was from then on: ``type``, ``status`` (``Over`` when it is there no
more), ``reason``, ``message``."""

MOST_EVENTS: Final = 50


def events_of(changes: Iterable[StoredChange]) -> list[Event]:
    """The latest events in changes of one resource, the oldest first."""
    events: list[Event] = []
    known: dict[str, Condition] = {}
    for change in changes:
        now = {each.type: each for each in change.resource.status.conditions}
        at = datetime.fromtimestamp(change.at_ms / 1000.0, UTC).isoformat(timespec="milliseconds")
        events += [{"at": at, **said} for said in _differences(known, now)]
        known = now
    return events[-MOST_EVENTS:]


def _differences(known: dict[str, Condition], now: dict[str, Condition]) -> Iterator[Event]:
    said = set()
    for type, condition in now.items():
        # Ready and Progressing often say the same of one thing.
        if _words(known.get(type)) != _words(condition) and condition.message not in said:
            said.add(condition.message)
            status, reason, message = condition.status, condition.reason, condition.message
            yield {"type": type, "status": status, "reason": reason, "message": message}
    for type in known.keys() - now.keys() - {PROGRESSING}:
        yield {"type": type, "status": "Over", "reason": "", "message": ""}


def _words(condition: Condition | None) -> tuple[str, str, str] | None:
    return None if condition is None else (condition.status, condition.reason, condition.message)
