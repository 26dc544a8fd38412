"""What people ask about requests: find one, list some, read dead letters, send them again."""

from __future__ import annotations

from collections.abc import Iterator
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

    def story(self, identity: str) -> Story:
        """The story of a request; raises NotFoundError, saying what may be the reason."""
        story = self._journal.find(identity)
        if story is None:
            raise NotFoundError(
                f"nothing is known of request '{identity[:60]}': requests are remembered of "
                "pipelines with record: boundary or all, until limits.recordedRequests or "
                "limits.recordedBytes is reached"
            )
        return story

    def inspect(self, identity: str) -> dict[str, Any]:
        """Everything that is known of one request."""
        return whole(self.story(identity))

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
