"""What people ask about requests: find one, list some, read dead letters, send them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from penstock.core.contracts.gateway import Gateway
from penstock.core.errors import ConflictError, NotFoundError
from penstock.core.journal.documents import letter_document, summary, whole
from penstock.core.journal.journal import Journal
from penstock.core.journal.letters import Letter, LetterBox
from penstock.core.journal.story import Story

ORIGIN_HEADER: Final = "penstock-origin"
MOST_LISTED: Final = 1_000


class InquiryDesk:
    """Answers for one process, from what its journal and its dead letters hold."""

    def __init__(self, journal: Journal, letters: LetterBox, gateway: Gateway) -> None:
        self._journal = journal
        self._letters = letters
        self._gateway = gateway

    def story(self, identity: str, pipeline: str | None = None) -> Story:
        """The story of a request in the pipeline that was called, or in one that read it.

        Raises NotFoundError, saying what may be the reason.
        """
        stories = self._journal.find(identity)
        for story in stories:
            if not story.external if pipeline is None else story.pipeline == pipeline:
                return story
        raise NotFoundError(_unknown(identity, pipeline, stories))

    def inspect(self, identity: str) -> dict[str, Any]:
        """Everything that is known of one request. Its way through other pipelines, which read
        it, stands under ``readers``, in the order in which they began."""
        stories = self._journal.find(identity)
        if not stories:
            raise NotFoundError(_unknown(identity, None, stories))
        return {**whole(stories[0]), "readers": [whole(story) for story in stories[1:]]}

    def find(
        self,
        *,
        pipeline: str | None = None,
        outcome: str | None = None,
        since_ms: float = 0.0,
        most: int = 20,
    ) -> list[dict[str, Any]]:
        """Requests, the latest first.

        ``outcome`` is ``ok``, ``failed`` (any error), ``open`` (no answer yet) or a code.
        ``since_ms`` is in milliseconds since the epoch.
        """
        stories: Iterator[Story] = (
            story
            for story in self._journal.latest()
            if (pipeline is None or story.pipeline == pipeline)
            and story.opened_ms >= since_ms
            and _matches(story, outcome)
        )
        return [summary(story) for story in islice(stories, min(most, MOST_LISTED))]

    def letters(self, *, pipeline: str | None = None, most: int = 20) -> list[dict[str, Any]]:
        """Dead letters, the latest first."""
        chosen = (
            letter
            for letter in self._letters.latest()
            if pipeline is None or letter.pipeline == pipeline
        )
        return [letter_document(letter) for letter in islice(chosen, min(most, MOST_LISTED))]

    def letter(self, number: int) -> dict[str, Any]:
        """One dead letter."""
        return letter_document(self._letter(number))

    def send_again(self, number: int) -> str:
        """Send the request of a dead letter again, as an asynchronous one with a new identity that
        names the old one in ``penstock-origin``; the letter goes. Returns the new identity."""
        letter = self._letter(number)
        if letter.omitted:
            raise ConflictError(
                f"the request of dead letter {number} was too large to be kept; send it from where "
                "it came"
            )
        headers = {**letter.headers, ORIGIN_HEADER: letter.identity}
        target = self._gateway.resolve(letter.pipeline)
        identity = target.accept(letter.request, headers).identity
        self._letters.remove(number)
        return identity

    def _letter(self, number: int) -> Letter:
        letter = self._letters.find(number)
        if letter is None:
            raise NotFoundError(
                f"there is no dead letter {number}; it may have gone for later ones"
            )
        return letter


def _matches(story: Story, outcome: str | None) -> bool:
    if outcome is None:
        return True
    if outcome == "open":
        return story.outcome is None
    if outcome == "failed":
        return story.outcome not in (None, "ok")
    return story.outcome == outcome


def _unknown(identity: str, pipeline: str | None, stories: Sequence[Story]) -> str:
    there = ", ".join(f"'{story.pipeline}'" for story in stories)
    where = "" if pipeline is None else f" in pipeline '{pipeline}'"
    why = (
        f"it is known in {there}"
        if there
        else "requests are remembered of pipelines with record: boundary or all, until "
        "limits.recordedRequests or limits.recordedBytes is reached"
    )
    return f"nothing is known of request '{identity[:60]}'{where}: {why}"
