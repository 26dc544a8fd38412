"""Where two ways differ, and by how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.core.cases.comparison import differences
from penstock.core.inference import InferenceRequest
from penstock.core.journal import PortRecord, Story
from penstock.core.records import Absent, Body, Failed, Port
from penstock.core.tensors import Tensor

OUT = Port("a", "outputs")


def story(*records: PortRecord) -> Story:
    made = Story("r", "p", 1, InferenceRequest(None, ()), {}, 0.0, 1.0, asynchronous=False)
    for record in records:
        made.add(record)
    return made


def ended(body: Any, port: Port = OUT, round_number: int = 0) -> Story:
    if not isinstance(body, tuple | Absent | Failed):
        body = (Tensor.from_numpy("y", body),)
    return story(PortRecord(port, round_number, 0.0, body))


@pytest.mark.parametrize(
    ("before", "after", "sentence", "by"),
    [
        (
            np.array([1, 5], np.int32),
            np.array([1, 3], np.int32),
            "1 of 2 elements differ, by up to 2",
            2.0,
        ),
        (
            np.array([2**63 - 1], np.int64),
            np.array([-(2**63)], np.int64),
            "1 of 1 elements differ, by up to 1.84467e+19",
            2.0**64,
        ),
        (np.array([1.0, 2.0]), np.array([1.0, 2.5]), "1 of 2 elements differ, by up to 0.5", 0.5),
        (np.array([1.0]), np.array([np.nan]), "1 of 1 elements differ, by up to inf", float("inf")),
        (np.array([1.0]), np.array([1.0], np.float32), "was FP64 [1], is FP32 [1]", None),
        (np.array([1.0]), np.array([[1.0]]), "was FP64 [1], is FP64 [1, 1]", None),
        (
            np.array(["a", "b"], object),
            np.array(["a", "c"], object),
            "1 of 2 elements are not the same",
            None,
        ),
        (np.array([True]), np.array([False]), "1 of 1 elements are not the same", None),
    ],
)
def test_tensors_differ(before: Any, after: Any, sentence: str, by: float | None) -> None:
    (found,) = differences(ended(before), ended(after))
    assert str(found) == f"a.outputs: y: {sentence}"
    assert found.by == by


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (np.array([1.0, np.nan, np.inf]), np.array([1.0 + 1e-9, np.nan, np.inf])),
        (np.array([1], np.float16), np.array([1], np.float16)),
        (np.zeros((0, 3)), np.zeros((0, 3))),
        (Absent("one reason", "left-out"), Absent("another", "left-out")),
        (Failed("lost", "one reason"), Failed("lost", "another")),
        ((Tensor("y", "FP32", (2,), b""),), (Tensor("y", "FP32", (2,), bytes(8)),)),
    ],
)
def test_what_counts_as_the_same(before: Any, after: Any) -> None:
    assert differences(ended(before), ended(after)) == []


def test_tolerance_is_a_part_of_the_number() -> None:
    before, after = ended(np.array([1000.0])), ended(np.array([1001.0]))
    assert differences(before, after, 0.01) == []
    assert len(differences(before, after, 0.0001)) == 1


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            Absent("x", "left-out"),
            (Tensor("y", "INT8", (1,), b"1"),),
            "was absent (left-out), is a value",
        ),
        (Failed("lost", "x"), Failed("deadline", "x"), "was failed (lost), is failed (deadline)"),
        ((Tensor("y", "INT8", (1,), b"1"),), (Tensor("z", "INT8", (1,), b"1"),), "held y, holds z"),
    ],
)
def test_states_and_names_differ(before: Body, after: Body, sentence: str) -> None:
    (found,) = differences(ended(before, round_number=2), ended(after, round_number=2))
    assert str(found) == f"a.outputs, round 2: {sentence}"


def test_ports_that_ended_once_only() -> None:
    one, other = Port("a", "outputs"), Port("b", "outputs")
    value = np.array([1])
    found = differences(ended(value, one), ended(value, other))
    assert [str(each) for each in found] == [
        "a.outputs: was a value, and did not end this time",
        "b.outputs: is a value, and did not end then",
    ]
    # Where steps were not recorded, nothing is known of theirs.
    boundary = ended(value, Port(None, "outputs"))
    again = story(*ended(value, one).records, *boundary.records)
    assert differences(boundary, again) == []
