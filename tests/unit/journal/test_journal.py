"""The journal's bounds: what it keeps, what goes first, and what it is taken to cost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.errors import StepFailedError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.journal import AttemptRecord, Journal, JournalLimits, Story
from penstock.core.journal.story import RECORD_BYTES
from penstock.core.records import Absent, Failed, Port
from penstock.core.tensors import Tensor

OUT = Port("a", "outputs")


def tensor(size: int, name: str = "x") -> Tensor:
    return Tensor(name, "UINT8", (size,), bytes(bytearray(size)))


def begun(journal: Journal, identity: str, size: int = 0) -> Story:
    tensors = (tensor(size),) if size else ()
    story = Story(
        identity, "p", 1, InferenceRequest(None, tensors), {}, 100.0, 900.0, asynchronous=False
    )
    journal.begin(story)
    return story


def test_the_first_that_ended_goes_first() -> None:
    journal = Journal(JournalLimits(requests=2))
    first, second = begun(journal, "1"), begun(journal, "2")
    journal.end(second, 101.0)
    journal.end(first, 102.0)
    begun(journal, "3")
    assert journal.find("2") == ()
    assert journal.find("1") == (first,)
    assert [story.identity for story in journal.latest()] == ["3", "1"]


def test_what_is_under_way_stays() -> None:
    journal = Journal(JournalLimits(requests=1))
    stories = [begun(journal, str(i)) for i in range(5)]
    assert len(journal) == 5
    for story in stories:
        journal.end(story, 101.0)
    assert [story.identity for story in journal.latest()] == ["4"]


def test_contents_that_several_ports_share_count_once() -> None:
    journal = Journal(JournalLimits())
    story = begun(journal, "1", 1000)
    (given_in,) = story.request.tensors
    journal.write(story, Port(None, "inputs"), 0, (given_in,), 100.0)
    journal.write(story, Port("a", "inputs"), 0, (given_in.renamed("y"),), 100.0)
    assert journal.held_bytes == 1000 + 3 * RECORD_BYTES
    journal.settle(story, InferenceResponse("p", "1", None, (tensor(50),)), 101.0)
    assert journal.held_bytes == 1050 + 3 * RECORD_BYTES


def test_over_the_bound_the_signature_is_kept() -> None:
    journal = Journal(JournalLimits(held_bytes=10_000))
    old = begun(journal, "1", 3000)
    journal.end(old, 100.0)
    story = begun(journal, "2", 5000)
    journal.write(story, OUT, 0, (tensor(4000, "y"),), 101.0)
    assert journal.find("1") == (), "what has ended makes room first"
    journal.write(story, OUT, 1, (tensor(4000, "y"),), 101.0)
    kept, omitted = story.records
    assert (kept.omitted, omitted.omitted) == (0, 4000)
    signature = omitted.body[0]
    assert isinstance(signature, Tensor)
    assert (signature.name, signature.shape, signature.nbytes) == ("y", (4000,), 0)
    assert len(omitted.body) == 1
    journal.write(story, OUT, 2, Absent("no"), 102.0)
    assert story.records[2].body == Absent("no")


def test_request_over_the_bound_is_kept_without_its_tensors() -> None:
    journal = Journal(JournalLimits(held_bytes=2000))
    big = tensor(5000)
    request = InferenceRequest(None, (big,))
    story = Story("1", "p", 1, request, {}, 100.0, 900.0, asynchronous=False)
    journal.begin(story)
    assert story.request.tensors == ()
    assert journal.held_bytes == RECORD_BYTES
    # Nor does what was not kept there count as kept when a port shows it again.
    journal.write(story, Port(None, "inputs"), 0, (big,), 100.0)
    assert story.records[0].omitted == 5000
    assert journal.held_bytes == 2 * RECORD_BYTES


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.booleans(), st.integers(0, 3)), max_size=40),
    st.integers(1, 5),
)
def test_bounds_hold_and_the_count_is_that_of_the_stories(
    requests: list[tuple[int, bool, int]], most: int
) -> None:
    journal = Journal(JournalLimits(requests=most, held_bytes=20_000))
    under_way = 0
    for number, (size, ends, records) in enumerate(requests):
        story = begun(journal, str(number), size)
        for _ in range(records):
            journal.write(story, OUT, 0, (tensor(size or 1),), 100.0)
            failed = Failed("not-ready", "not yet", "a")
            journal.note_attempt(story, AttemptRecord("a", 0, 1, 100.0, failed))
        if ends:
            journal.end(story, 101.0)
        else:
            under_way += 1
        kept = list(journal.latest())
        assert journal.held_bytes == sum(each.held for each in kept)
        assert len(kept) <= max(most, under_way + 1)
        # Beyond the bound there are markers and signatures only, of what is under way.
        overhead = sum((1 + 2 * len(each.records)) * RECORD_BYTES for each in kept)
        assert journal.held_bytes <= 20_000 + overhead


async def test_whoever_follows_is_told_of_every_change() -> None:
    journal = Journal(JournalLimits())
    story = begun(journal, "1")
    changes = [story.next_change()]
    journal.write(story, OUT, 0, Absent("no"), 101.0)
    changes.append(story.next_change())
    journal.settle(story, StepFailedError("no", step="a"), 102.0)
    changes.append(story.next_change())
    journal.end(story, 103.0)
    changes.append(story.next_change())
    assert all(change.done() for change in changes)
    assert story.outcome == "step-failed"


async def test_follower_that_left_is_no_harm() -> None:
    journal = Journal(JournalLimits())
    story = begun(journal, "1")
    story.next_change().cancel()
    await asyncio.sleep(0)
    journal.write(story, OUT, 0, Failed("step-failed", "no", "a"), 101.0)
    assert len(story.records) == 1


@pytest.mark.parametrize("ended", [False, True])
def test_outcome_is_open_until_there_is_a_result(ended: bool) -> None:
    journal = Journal(JournalLimits())
    story = begun(journal, "1")
    if ended:
        journal.settle(story, InferenceResponse("p", "1", None, ()), 101.0)
    assert story.outcome == ("ok" if ended else None)


def test_one_request_in_several_pipelines() -> None:
    journal = Journal(JournalLimits(requests=2))
    called, reader = begun(journal, "1"), begun(journal, "1")
    assert journal.find("1") == (called, reader)
    journal.end(called, 101.0)
    begun(journal, "2")
    assert journal.find("1") == (reader,), "each goes when its turn has come"
    journal.end(reader, 102.0)
    begun(journal, "3")
    assert journal.find("1") == ()
    assert len(journal) == 2
