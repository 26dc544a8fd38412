"""What people ask about requests: find one, list some, read dead letters, send them again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Final, Protocol, TypeAlias

from penstock.core.contracts.gateway import Gateway, Ticket
from penstock.core.contracts.inquiries import Search, Tapped
from penstock.core.errors import (
    ConflictError,
    InvalidRequestError,
    LostError,
    NotFoundError,
    PenstockError,
    UnsupportedError,
)
from penstock.core.identity import made_ms, whereabouts_of
from penstock.core.journal.documents import letter_document, summary, tap_document, whole
from penstock.core.journal.journal import Journal
from penstock.core.journal.letters import Letter, LetterBox
from penstock.core.journal.story import Story
from penstock.core.journal.tap import Tap, TapKind, Wanted, wanted
from penstock.core.request_headers import ORIGIN_HEADER
from penstock.core.statuses import STATUSES

MOST_LISTED: Final = 1_000
MOST_CHILDREN: Final = 100
"""So many requests that one made of other pipelines are shown with it."""
DEEPEST: Final = 8
"""So many levels of them."""

OUTCOMES: Final = ("ok", "failed", "open", *STATUSES)
"""What requests can be chosen by: any error, no answer yet, or the code of an error."""

Export: TypeAlias = Callable[[Story, Sequence[Story], Sequence[Story]], Awaitable[bytes]]
"""Makes a file of a request, those that it made of other pipelines, and its way through those that
read it."""


Find: TypeAlias = Callable[[str], Sequence[Story]]
"""Gives the stories of an identity in all pipelines, in the order in which they began."""


class AnswerFinder(Protocol):
    """Finds answers in streams."""

    async def story(self, identity: str) -> Story | None:
        """What has become of a request; None where its identity does not say where it is."""


def told(story: Story, others: Sequence[Story], find: Find) -> dict[str, Any]:
    """Everything about a request: ``others`` came with its ``x-request-id``, and ``find`` knows the
    requests that it made of other pipelines, and its way through those that read it."""
    return {
        **_with_children(story, find, 0),
        "same_x_request_id": [each.identity for each in others],
        "readers": [_with_children(each, find, 0) for each in _readers(story, find)],
    }


def _readers(story: Story, find: Find) -> list[Story]:
    """The same request in the pipelines that read the one that was called."""
    return [each for each in find(story.identity) if each.pipeline != story.pipeline]


def _with_children(story: Story, find: Find, depth: int) -> dict[str, Any]:
    document = whole(story)
    made = (child for visit in document["visits"] for child in visit["children"])
    found = (find(child) for child in islice(made, MOST_CHILDREN))
    return {
        **document,
        "children": [
            _with_children(children[0], find, depth + 1)
            for children in found
            if children and depth < DEEPEST
        ],
    }


class InquiryDesk:
    """Answers for one process, from what its journal and its dead letters hold."""

    def __init__(
        self,
        journal: Journal,
        letters: LetterBox,
        gateway: Gateway,
        export: Export | None = None,
        begun_ms: float | None = None,
        answers: AnswerFinder | None = None,
    ) -> None:
        """``answers`` finds requests that the journal does not know. ``begun_ms`` says, for one of
        several workers, when its process began to take requests in: what is older was taken in by
        one that it has replaced."""
        self._answers = answers
        self._begun_ms = begun_ms
        self._export = export
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
        raise self._unknown(identity, pipeline, stories)

    async def find_story(self, identity: str, pipeline: str | None = None) -> Story:
        """The same, also of a request whose answer is in a stream."""
        story = None
        if self._answers is not None and _means(identity, pipeline):
            story = await self._answers.story(identity)
        return self.story(identity, pipeline) if story is None else story

    async def accepted(self, ticket: Ticket) -> Story:
        """The story of a request that nobody waits for, once it is taken in for good."""
        story = await ticket.accepted()
        return self.story(ticket.identity) if story is None else story

    def inspect(self, identity: str) -> dict[str, Any]:
        """Everything that is known of one request, and of those that it made of other pipelines.
        Its way through pipelines that read it stands under ``readers``, in the order in which they
        began.

        ``identity`` may be the caller's ``x-request-id`` as well: of several requests with it the
        latest is told of, and the others are named.
        """
        story, *others = self._meant(identity)
        return told(story, others, self._journal.find)

    def has(self, identity: str) -> bool:
        """Whether the journal knows a request of that identity, or one with that
        ``x-request-id``."""
        return bool(self._journal.find(identity)) or any(self._journal.of_caller(identity))

    async def export(self, identity: str) -> bytes:
        """The same request as a file (see :mod:`penstock.core.cases`)."""
        export = self._exporter()
        story = self._meant(identity)[0]
        within = f"{story.identity}/"
        made = (each for each in self._journal.latest() if each.identity.startswith(within))
        children = list(islice(made, MOST_LISTED))[::-1]
        return await export(story, children, _readers(story, self._journal.find))

    async def file_of(self, story: Story, children: Sequence[Story]) -> bytes:
        """The same of a story, wherever it is from, and of those that it made."""
        return await self._exporter()(story, children, ())

    def _exporter(self) -> Export:
        if self._export is None:
            raise UnsupportedError("this server makes no case files")
        return self._export

    def _meant(self, identity: str) -> list[Story]:
        """The request of that identity, or those with that ``x-request-id``, the latest first."""
        stories = self._journal.find(identity)
        if stories:
            return [stories[0]]
        of_caller = list(islice(self._journal.of_caller(identity), MOST_LISTED))
        if not of_caller:
            raise self._unknown(identity, None, stories)
        return of_caller

    def _unknown(
        self, identity: str, pipeline: str | None, stories: Sequence[Story]
    ) -> PenstockError:
        at_ms = made_ms(identity)
        if self._begun_ms is not None and at_ms is not None and at_ms < int(self._begun_ms):
            return LostError(
                f"request '{identity}' was taken in by a worker that has ended since and was "
                "started again; what it had is lost"
            )
        return NotFoundError(_unknown(identity, pipeline, stories))

    def find(self, search: Search) -> list[dict[str, Any]]:
        """Requests, the latest first. Raises InvalidRequestError where there is no such outcome."""
        check_outcome(search.outcome)
        caller = search.request_id
        all_stories = self._journal.latest() if caller is None else self._journal.of_caller(caller)
        stories: Iterator[Story] = (
            story
            for story in all_stories
            if search.pipeline in (None, story.pipeline)
            and search.since_ms <= story.opened_ms <= search.until_ms
            and has_outcome(story, search.outcome)
        )
        return [summary(story) for story in islice(stories, min(search.most, MOST_LISTED))]

    def tap(
        self, port: str, *, everything: bool, state: str | None, most: int
    ) -> AsyncGenerator[Tapped]:
        """The records of a port as they come: first ``open``, when it is followed, then ``record``
        and ``lost``, and an end after ``most`` records, if that is not 0.

        ``port`` is as :func:`penstock.core.journal.tap.wanted` has it; a name alone is that of a
        pipeline, else that of a model. Raises at once InvalidRequestError, and what
        :meth:`penstock.core.contracts.gateway.Gateway.follow` does.
        """
        return self.tap_on(self.wanted(port, everything=everything, state=state), most)

    def tap_on(self, chosen: Wanted, most: int) -> AsyncGenerator[Tapped]:
        """The same of what is :meth:`wanted`."""
        tap = Tap(chosen)
        self._gateway.may_follow(tap)
        return self._tapped(tap, most)

    def wanted(self, port: str, *, everything: bool, state: str | None) -> Wanted:
        """What is to be followed, with what its name is the name of."""
        chosen = wanted(port, everything=everything, state=state)
        return chosen._replace(kind=self._kind_of(chosen))

    def _kind_of(self, chosen: Wanted) -> TapKind:
        """What a name means. Raises NotFoundError where nothing has it."""
        if chosen.kind is not None:
            self._gateway.resolve(chosen.name, kind=chosen.kind)
            return chosen.kind
        with suppress(NotFoundError):
            self._gateway.resolve(chosen.name, kind="pipeline")
            return "pipeline"
        self._gateway.resolve(chosen.name)
        return "model"

    async def _tapped(self, tap: Tap, most: int) -> AsyncGenerator[Tapped]:
        self._gateway.follow(tap)
        try:
            yield Tapped("open", {tap.wanted.kind or "pipeline": tap.wanted.name})
            told = 0
            while not most or told < most:
                news = await tap.next()
                if isinstance(news, int):
                    yield Tapped("lost", {"lost": news})
                    continue
                told += 1
                yield Tapped("record", tap_document(news))
        finally:
            self._gateway.unfollow(tap)

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
        identity = self.resend(self._letter(number)).identity
        self._letters.remove(number)
        return identity

    def resend(self, letter: Letter) -> Ticket:
        """Send the request of a letter again. Raises ConflictError where the letter has not the
        whole of it."""
        if letter.omitted:
            raise ConflictError(
                f"the request of dead letter {letter.number} was too large to be kept, or cannot "
                "be read; send it from where it came"
            )
        headers = {**letter.headers, ORIGIN_HEADER: letter.identity}
        return self._gateway.resolve(letter.pipeline).accept(letter.request, headers)

    def _letter(self, number: int) -> Letter:
        letter = self._letters.find(number)
        if letter is None:
            raise no_letter(number)
        return letter


def nothing_before(port: str) -> InvalidRequestError:
    """The error for a tap that is to begin with what was before."""
    return InvalidRequestError(
        f"no stream keeps the records of '{port}', so they can be followed from now on only; see "
        "penstock inspect for what was before"
    )


def no_letter(number: int) -> NotFoundError:
    """The error for a dead letter that is not there."""
    return NotFoundError(f"there is no dead letter {number}; it may have gone for later ones")


def _means(identity: str, pipeline: str | None) -> bool:
    """Whether an identity says that its request is in this pipeline, or in any if it is None."""
    where = whereabouts_of(identity)
    return where is not None and pipeline in (None, where.pipeline)


def check_outcome(outcome: str | None) -> None:
    """Raise InvalidRequestError where there is no such outcome."""
    if outcome is not None and outcome not in OUTCOMES:
        raise InvalidRequestError(f"there is no outcome '{outcome}'; write {', '.join(OUTCOMES)}")


def has_outcome(story: Story, outcome: str | None) -> bool:
    """Whether a request ended so; with None, whether it ended anyhow."""
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
