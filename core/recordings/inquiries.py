"""What people may ask about requests where these go through streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from penstock.core.contracts.inquiries import (
    FROM_NOW_ON,
    Begin,
    Document,
    Inquiries,
    Search,
    Tapped,
)
from penstock.core.contracts.transport import Transport
from penstock.core.errors import NotFoundError, NotReadyError
from penstock.core.journal.desk import (
    MOST_LISTED,
    InquiryDesk,
    check_outcome,
    has_outcome,
    no_letter,
    nothing_before,
    told,
)
from penstock.core.journal.documents import letter_document, summary
from penstock.core.journal.letters import Letter
from penstock.core.journal.story import Story
from penstock.core.recordings.letters import RecordedLetters
from penstock.core.recordings.requests import Catalogue, RecordedRequests
from penstock.core.recordings.taps import StreamTaps
from penstock.core.streams.names import StreamNames

_PIPELINES_OWN: Final = "the streams of the pipelines that are served here"


class StreamInquiries(Inquiries):
    """Answers from the streams, whichever process worked on a request; and from the desk of this
    one for what streams do not have, as models that are called on their own."""

    def __init__(
        self,
        desk: InquiryDesk,
        transport: Transport,
        names: StreamNames,
        catalogue: Catalogue,
        travelling: frozenset[str],
    ) -> None:
        """``travelling`` are the headers that go with requests."""
        self._desk = desk
        self._letters = RecordedLetters(transport, names)
        self._taps = StreamTaps(transport, names)
        self._requests = RecordedRequests(transport, names, catalogue, self._letters, travelling)

    async def inspect(self, identity: str) -> Document:
        if self._desk.has(identity):
            return self._desk.inspect(identity)
        story, *others = await self._found(identity)
        family = await self._requests.family(story)
        return told(story, others, lambda sought: [e for e in family if e.identity == sought])

    async def export(self, identity: str) -> bytes:
        if self._desk.has(identity):
            return await self._desk.export(identity)
        story = (await self._found(identity))[0]
        family = await self._requests.family(story)
        # To play what readers did takes what others brought them, which is not looked for here.
        children = [each for each in family if each.identity != story.identity]
        return await self._desk.file_of(story, children)

    async def _found(self, identity: str) -> list[Story]:
        stories = await self._requests.find(identity)
        if not stories:
            raise NotFoundError(
                f"nothing is known of request '{identity[:120]}' in {_PIPELINES_OWN}: it may be "
                "older than what they keep; its place can be named as PIPELINE/PARTITION/OFFSET"
            )
        return stories

    async def find(self, search: Search) -> list[Document]:
        check_outcome(search.outcome)
        most = min(search.most, MOST_LISTED)
        stories = await self._requests.latest(
            search,
            lambda story: has_outcome(story, search.outcome),
            most,
            # How a request ended is not said where it came in.
            most if search.outcome is None else MOST_LISTED,
        )
        return [summary(story) for story in stories]

    async def tap(
        self,
        port: str,
        *,
        everything: bool,
        state: str | None,
        most: int,
        begin: Begin = FROM_NOW_ON,
    ) -> AsyncGenerator[Tapped]:
        wanted = self._desk.wanted(port, everything=everything, state=state)
        if wanted.kind != "model":
            plan = self._requests.plan(wanted.name)
            if plan is None:
                raise NotReadyError(f"pipeline '{wanted.name}' is not ready; follow it when it is")
            return self._taps.tap(wanted, plan, begin, most)
        if begin != FROM_NOW_ON:
            raise nothing_before(port)
        return self._desk.tap_on(wanted, most)

    async def letters(self, *, pipeline: str | None = None, most: int = 20) -> list[Document]:
        letters = await self._letters.latest(
            lambda letter: pipeline in (None, letter.pipeline), min(most, MOST_LISTED)
        )
        return [letter_document(letter) for letter in letters]

    async def letter(self, number: int) -> Document:
        return letter_document(await self._letter(number))

    async def send_again(self, number: int) -> str:
        """The letter stays where it is, for streams forget by age alone."""
        ticket = self._desk.resend(await self._letter(number))
        await ticket.accepted()
        return ticket.identity

    async def _letter(self, number: int) -> Letter:
        letter = await self._letters.find(number)
        if letter is None:
            raise no_letter(number)
        return letter
