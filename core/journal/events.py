"""What happens to a request, event by event, for whoever follows it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal, NamedTuple

from penstock.core.journal.documents import record_document, summary
from penstock.core.journal.story import Story


class StoryEvent(NamedTuple):
    """``record``: a port that is kept has ended; ``answer``: the answer is there; ``end``: nothing
    of it is under way any more. ``document`` is the record, and else a summary of the request."""

    kind: Literal["record", "answer", "end"]
    document: dict[str, Any]


async def events_of(story: Story) -> AsyncIterator[StoryEvent]:
    """Everything that has happened to a request, and what happens next, up to its end."""
    told = 0
    answered = False
    while True:
        # Before looking, so that nothing is missed in between.
        changed = story.next_change()
        try:
            for record in story.records[told:]:
                told += 1
                yield StoryEvent("record", record_document(record, story.opened_ms))
            if story.result is not None and not answered:
                answered = True
                yield StoryEvent("answer", summary(story))
            if story.ended_ms is not None:
                yield StoryEvent("end", summary(story))
                return
            await changed
        finally:
            changed.cancel()
