"""The box of dead letters and its bounds."""

from __future__ import annotations

from penstock.core.inference import InferenceRequest
from penstock.core.journal import LetterBox
from penstock.core.records import Failed
from penstock.core.tensors import Tensor


def put(box: LetterBox, identity: str, size: int = 0) -> None:
    tensors = (Tensor("x", "UINT8", (size,), bytes(size)),)
    request = InferenceRequest("i", tensors)
    box.put(identity, "p", 1, Failed("step-failed", "no", "a"), 1.0, request, {"x-tenant": "t"})


def test_the_oldest_goes_where_there_are_too_many() -> None:
    box = LetterBox(most=2)
    for identity in "abc":
        put(box, identity)
    assert [(letter.number, letter.identity) for letter in box.latest()] == [(3, "c"), (2, "b")]
    assert box.find(1) is None


def test_the_oldest_goes_where_there_is_no_room() -> None:
    box = LetterBox(most_bytes=100)
    put(box, "a", 60)
    put(box, "b", 30)
    put(box, "c", 50)
    assert [letter.identity for letter in box.latest()] == ["c", "b"]


def test_request_that_is_too_large_is_not_kept_but_the_letter_is() -> None:
    box = LetterBox(most_bytes=100)
    put(box, "a", 60)
    put(box, "b", 101)
    large, small = box.latest()
    assert (large.identity, large.omitted, large.request.tensors) == ("b", True, ())
    assert (small.identity, small.omitted) == ("a", False)


def test_room_is_given_back() -> None:
    box = LetterBox(most_bytes=100)
    for number in range(1, 20):
        put(box, str(number), 90)
        box.remove(number)
    put(box, "last", 100)
    assert [letter.identity for letter in box.latest()] == ["last"]
