"""How much a group has left to do in topics, as everybody can see it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import OffsetSpec

from penstock.core.contracts.transport import Extent
from penstock.transports.kafka.admin import Admin
from penstock.transports.kafka.assigned import TopicNumber
from penstock.transports.kafka.group import COMMIT_S
from penstock.transports.kafka.progress import Progress
from penstock.transports.kafka.refusals import is_unknown, refusal_of

_ASK_S: Final = 10.0

_SETTLE_S: Final = 4.0 * COMMIT_S
"""What is finished is committed by then: else whatever flows would seem to wait."""

_EARLIEST: Final[OffsetSpec] = OffsetSpec.earliest()  # type: ignore[no-untyped-call]  # a library's
_LATEST: Final[OffsetSpec] = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # a library's


async def backlog_of(admin: Admin, group: str, partitions: Sequence[TopicNumber]) -> Counter[str]:
    """How many messages of each topic a group has not finished, and was to see when this began.

    It takes three questions, however many partitions there are; each goes once to every broker
    that it concerns. Marks of transactions have offsets as messages have, and count as such until
    an owner has seen them.
    """
    if not partitions:
        return Counter()
    ends = await _offsets(admin, partitions, _LATEST)
    await asyncio.sleep(_SETTLE_S)
    progress = await _progress(admin, group, list(ends))
    behind = [where for where, each in progress.items() if each.done_below < ends[where]]
    # What nobody has read and is not kept any more does not wait.
    firsts = await _offsets(admin, behind, _EARLIEST)
    left: Counter[str] = Counter()
    for where, first in firsts.items():
        left[where[0]] += progress[where].unfinished(Extent(first, ends[where]))
    return left


async def _offsets(
    admin: Admin, partitions: Sequence[TopicNumber], which: OffsetSpec
) -> dict[TopicNumber, int]:
    """An offset of each partition; those that are gone are left out."""
    if not partitions:
        return {}
    asked = {Place(*each): which for each in partitions}
    answers = await admin.ask(
        lambda client: client.list_offsets(
            asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_ASK_S
        )
    )
    found: dict[TopicNumber, int] = {}
    for place, answer in answers.items():
        if not isinstance(answer, KafkaError):
            found[place.topic, place.partition] = answer.offset
        elif not is_unknown(answer):
            raise refusal_of(answer, place.topic)
    return found


async def _progress(
    admin: Admin, group: str, partitions: Sequence[TopicNumber]
) -> dict[TopicNumber, Progress]:
    """How far a group has come; what it has under way in transactions does not count yet."""
    if not partitions:
        return {}
    wanted = ConsumerGroupTopicPartitions(group, [Place(*each) for each in partitions])
    answers = await admin.ask(
        lambda client: client.list_consumer_group_offsets([wanted], request_timeout=_ASK_S)
    )
    found = answers[group]
    if isinstance(found, KafkaError):
        raise refusal_of(found)
    for each in found.topic_partitions:
        if each.error is not None:
            raise refusal_of(each.error, each.topic)
    return {
        (each.topic, each.partition): Progress.decode(max(each.offset, 0), each.metadata or "")
        for each in found.topic_partitions
    }
