"""Finds requests in the streams of their pipelines, and lists the latest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final, NamedTuple, Protocol

from penstock.core.contracts.inquiries import Search
from penstock.core.contracts.transport import Delivery, From, Transport
from penstock.core.errors import NotFoundError, NotReadyError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import Story
from penstock.core.pipeline_gateway.answers import SLACK_MS
from penstock.core.plan import Plan
from penstock.core.recordings.letters import RecordedLetters
from penstock.core.recordings.places import Place, places_of
from penstock.core.recordings.retelling import Recorded, retold
from penstock.core.records import Port, Record
from penstock.core.streams.names import StreamNames
from penstock.core.streams.pipeline import streamed_ports
from penstock.core.streams.present import latest_first, present
from penstock.core.streams.request import identity_of

LOOKED_FOR_S: Final = 15.0
"""So long streams are looked through for one question."""

MOST_SEARCHED: Final = 10_000
"""Of each partition so many of the latest records are looked at for what no identity tells."""

MOST_RELATED: Final = 1_000
"""So many requests that belong to one are told of."""

_INPUTS: Final = Port(None, "inputs")
_OUTPUTS: Final = Port(None, "outputs")


class Catalogue(Protocol):
    """What is served here, and what callers get of it."""

    def plans(self) -> Sequence[Plan]:
        """Those of the pipelines that are served."""

    def outcome(
        self, record: Record, request: InferenceRequest
    ) -> InferenceResponse | PenstockError:
        """What a caller gets for a record of an output stream."""


class _Found(NamedTuple):
    """A record of an input stream (``side`` inputs), or the answer where that is gone."""

    pipeline: str
    delivery: Delivery


class RecordedRequests:
    """Tells of requests whose records are in streams. Reads, and owns nothing.

    Every method raises NotReadyError when the streams cannot be looked through in time.
    """

    def __init__(
        self,
        transport: Transport,
        names: StreamNames,
        catalogue: Catalogue,
        letters: RecordedLetters,
        travelling: frozenset[str],
    ) -> None:
        self._travelling = travelling
        self._transport = transport
        self._names = names
        self._catalogue = catalogue
        self._letters = letters

    async def find(self, identity: str) -> list[Story]:
        """The request of an identity, or at a place; else those whose caller called them so, the
        latest first; of these the first is told of whole."""
        async with _in_time(f"request '{identity}'"):
            found = await self._located(identity) or await self._searched(identity)
            if not found:
                return []
            first, *others = found
            stories = [await self._told(first)]
            return stories + [self._brief(each, None) for each in others]

    async def family(self, story: Story) -> list[Story]:
        """What a request made of other pipelines, and its way through those that read it, each told
        of whole, in the order in which they came in."""
        within = f"{story.identity}/"
        begin = From(time_ms=story.opened_ms - SLACK_MS)
        found: list[_Found] = []
        async with _in_time(f"what belongs to request '{story.identity}'"):
            for plan in self._relatives(story.pipeline):
                last_ms = story.deadline_ms + _window_ms(plan) + SLACK_MS

                def enough(
                    delivery: Delivery, pipeline: str = plan.name, last_ms: float = last_ms
                ) -> bool:
                    identity = identity_of(delivery)
                    if identity == story.identity or identity.startswith(within):
                        found.append(_Found(pipeline, delivery))
                    return delivery.time_ms > last_ms or len(found) == MOST_RELATED

                stream = self._names.of(plan.name, _INPUTS)
                for partition in range(plan.partitions):
                    await self._look(stream, partition, begin, enough)
            return [await self._told(each) for each in reversed(_latest_first(found))]

    def _relatives(self, pipeline: str) -> list[Plan]:
        """The pipelines that a request to one may come to as well."""
        plans = self._catalogue.plans()
        reached, news = {pipeline}, {pipeline}
        while news:
            made = {each for plan in plans if plan.name in news for each in plan.pipelines}
            read = {plan.name for plan in plans if not news.isdisjoint(plan.sources)}
            news = (made | read) - reached
            reached |= news
        return [plan for plan in plans if plan.name in reached and plan.name != pipeline]

    async def latest(
        self, search: Search, matches: Callable[[Story], bool], most: int, looked_at: int
    ) -> list[Story]:
        """The latest ``most`` requests that ``matches`` says yes to, of ``looked_at`` that came in
        as is looked for; what became of the ports of their steps is not told."""
        async with _in_time("requests"):
            found = await self._inputs(self._chosen(search.pipeline), search, looked_at)
            answers = await self._answers(found)
            stories = (self._brief(each, answers.get(_key(each))) for each in found)
            return [story for story in stories if matches(story)][:most]

    def plan(self, pipeline: str) -> Plan | None:
        """That of a pipeline that is served."""
        return next((each for each in self._catalogue.plans() if each.name == pipeline), None)

    def _chosen(self, pipeline: str | None) -> list[Plan]:
        """The pipelines that are looked through."""
        plans = self._catalogue.plans()
        if pipeline is None:
            return list(plans)
        return [each for each in plans if each.name == pipeline]

    # One request -------------------------------------------------------------------------------

    async def _located(self, identity: str) -> list[_Found]:
        """By what its identity says of its place."""
        places = places_of(identity, self._catalogue.plans(), self._names)
        for port in (_INPUTS, _OUTPUTS):
            for place in places:
                delivery = await self._at(place, identity, port)
                if delivery is not None:
                    return [_Found(place.pipeline, delivery)]
        return []

    async def _at(self, place: Place, identity: str, port: Port) -> Delivery | None:
        if place.exact and port is _OUTPUTS:
            return None
        until_ms = place.until_ms if port is _INPUTS else float("inf")
        found: list[Delivery] = []

        def enough(delivery: Delivery) -> bool:
            here = delivery.offset == place.begin.offset
            if here if place.exact else identity_of(delivery) == identity:
                found.append(delivery)
            return place.exact or bool(found) or delivery.time_ms > until_ms

        stream = self._names.of(place.pipeline, port)
        await self._look(stream, place.partition, place.begin, enough)
        return found[0] if found else None

    async def _searched(self, called: str) -> list[_Found]:
        """By an identity that others chose, or an x-request-id, among the latest."""
        found: list[_Found] = []
        for plan in self._catalogue.plans():

            def enough(delivery: Delivery, pipeline: str = plan.name) -> bool:
                headers = delivery.record.headers
                if called in (identity_of(delivery), headers.get("x-request-id")):
                    found.append(_Found(pipeline, delivery))
                return False

            await self._look_back(plan, enough)
        return _latest_first(self._of_callers(found))

    def _of_callers(self, found: Sequence[_Found]) -> list[_Found]:
        """Without those that requests among them made of other pipelines, or that read them."""
        reads = {plan.name for plan in self._catalogue.plans() if plan.sources}

        def began(each: _Found) -> tuple[float, bool]:
            return each.delivery.time_ms, each.pipeline in reads

        first: dict[str, _Found] = {}
        for each in sorted(found, key=began):
            first.setdefault(identity_of(each.delivery), each)
        return [
            each for identity, each in first.items() if identity.rpartition("/")[0] not in first
        ]

    async def _told(self, found: _Found) -> Story:
        """Everything that streams hold of a request."""
        plan = self.plan(found.pipeline)
        identity = identity_of(found.delivery)
        partition = found.delivery.partition
        asked = found.delivery if found.delivery.stream.endswith(".inputs") else None
        begin = From(time_ms=found.delivery.time_ms - SLACK_MS)
        outputs = self._names.of(found.pipeline, _OUTPUTS)
        answers = await self._all_of(identity, outputs, partition, begin, float("inf"))
        answer = answers[0] if answers else None
        ports: list[Delivery] = []
        steps = () if plan is None else plan.steps
        looping = {step.name for step in steps if step.loop is not None}
        for port in () if plan is None else streamed_ports(plan):
            if port.step is None:
                continue
            stream, last_ms = self._names.of(found.pipeline, port), _last_ms(found, answer)
            most = MOST_SEARCHED if port.step in looping else 1
            ports += await self._all_of(identity, stream, partition, begin, last_ms, most)
        failures = await self._letters.failures(identity, found.delivery.time_ms - SLACK_MS)
        recorded = Recorded(identity, found.pipeline, asked, answer, ports, failures)
        return retold(recorded, plan, self._catalogue.outcome, self._travelling)

    async def _all_of(
        self,
        identity: str,
        stream: str,
        partition: int,
        begin: From,
        last_ms: float,
        most: int = 1,
    ) -> list[Delivery]:
        """Those of a request in a stream, ``most`` of them, that were written by ``last_ms``."""
        found: list[Delivery] = []

        def enough(delivery: Delivery) -> bool:
            if identity_of(delivery) == identity:
                found.append(delivery)
            return len(found) == most or delivery.time_ms > last_ms

        await self._look(stream, partition, begin, enough)
        return found

    # Many --------------------------------------------------------------------------------------

    async def _inputs(self, plans: Sequence[Plan], search: Search, looked_at: int) -> list[_Found]:
        """The latest that came in as is looked for."""
        found: list[_Found] = []
        for plan in plans:
            there: Counter[int] = Counter()  # by partition, any of which may have all the latest

            def enough(
                delivery: Delivery, pipeline: str = plan.name, there: Counter[int] = there
            ) -> bool:
                if _is_meant(delivery, search):
                    found.append(_Found(pipeline, delivery))
                    there[delivery.partition] += 1
                full = there[delivery.partition] == looked_at
                return full or delivery.time_ms < search.since_ms

            await self._look_back(plan, enough)
        return _latest_first(found)[:looked_at]

    async def _answers(self, found: Sequence[_Found]) -> dict[tuple[str, str], Delivery]:
        """The answers that there are, by pipeline and identity."""
        open_in: dict[tuple[str, int], dict[str, float]] = {}
        for each in found:
            within = open_in.setdefault((each.pipeline, each.delivery.partition), {})
            within[identity_of(each.delivery)] = each.delivery.time_ms
        answers: dict[tuple[str, str], Delivery] = {}
        for (pipeline, partition), wanted in open_in.items():
            begin = From(time_ms=min(wanted.values()) - SLACK_MS)
            answers |= await self._answers_to(set(wanted), pipeline, partition, begin)
        return answers

    async def _answers_to(
        self, identities: set[str], pipeline: str, partition: int, begin: From
    ) -> dict[tuple[str, str], Delivery]:
        answers: dict[tuple[str, str], Delivery] = {}

        def enough(delivery: Delivery) -> bool:
            identity = identity_of(delivery)
            if identity in identities:
                answers.setdefault((pipeline, identity), delivery)
            return len(answers) == len(identities)

        await self._look(self._names.of(pipeline, _OUTPUTS), partition, begin, enough)
        return answers

    def _brief(self, found: _Found, answer: Delivery | None) -> Story:
        recorded = Recorded(identity_of(found.delivery), found.pipeline, found.delivery, answer)
        return retold(
            recorded, self.plan(found.pipeline), self._catalogue.outcome, self._travelling
        )

    # Streams -----------------------------------------------------------------------------------

    async def _look(
        self, stream: str, partition: int, begin: From, enough: Callable[[Delivery], bool]
    ) -> None:
        """Look at what is there from some place on, until it is ``enough``; at nothing where there
        is no such stream."""
        with suppress(NotFoundError):
            async with aclosing(present(self._transport, stream, partition, begin)) as there:
                async for delivery in there:
                    if enough(delivery):
                        return

    async def _look_back(self, plan: Plan, enough: Callable[[Delivery], bool]) -> None:
        """Look at the requests that came in last, in every partition until it is ``enough``."""
        stream = self._names.of(plan.name, _INPUTS)
        for partition in range(plan.partitions):
            looked_at = 0
            with suppress(NotFoundError):
                async with aclosing(latest_first(self._transport, stream, partition)) as there:
                    async for delivery in there:
                        looked_at += 1
                        if enough(delivery) or looked_at == MOST_SEARCHED:
                            break


def _window_ms(plan: Plan) -> float:
    """How long after the first record of others a request may come in that they bring."""
    return 0.0 if plan.entrance is None else plan.entrance.window_ms or 0.0


def _is_meant(delivery: Delivery, search: Search) -> bool:
    """Whether a record of an input stream came in as is looked for."""
    within = search.since_ms <= delivery.time_ms <= search.until_ms
    caller = delivery.record.headers.get("x-request-id")
    return within and search.request_id in (None, caller)


def _latest_first(found: Iterable[_Found]) -> list[_Found]:
    def came(each: _Found) -> tuple[float, int]:
        return each.delivery.time_ms, each.delivery.offset

    return sorted(found, key=came, reverse=True)


def _key(found: _Found) -> tuple[str, str]:
    return found.pipeline, identity_of(found.delivery)


def _last_ms(found: _Found, answer: Delivery | None) -> float:
    """After this nothing more of a request is written: it has ended by its deadline."""
    ends = [each.record.deadline_ms for each in (found.delivery, answer) if each is not None]
    return min(ends) + SLACK_MS


@asynccontextmanager
async def _in_time(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(LOOKED_FOR_S):
            yield
    except TimeoutError as error:
        raise NotReadyError(
            f"{what} could not be looked for within {LOOKED_FOR_S:g} s; the transport is away, or "
            "there is too much to look through: name a pipeline, or a time"
        ) from error
