"""What people and programs are shown of a request."""

from __future__ import annotations

import json

import numpy as np
import pytest

from penstock.core.errors import NoOutputError
from penstock.core.inference import InferenceRequest
from penstock.core.journal import PortRecord, Story
from penstock.core.journal.documents import record_document, summary, whole
from penstock.core.records import Absent, Failed, Port
from penstock.core.tensors import Tensor


def shown(array: object) -> object:
    tensors = (Tensor.from_numpy("x", array),)
    document = record_document(PortRecord(Port("a", "outputs"), 2, 107.25, tensors), 100.0)
    json.dumps(document)
    assert (document["port"], document["round"], document["after_ms"]) == ("a.outputs", 2, 7.25)
    (tensor,) = document["tensors"]
    return tensor


@pytest.mark.parametrize(
    ("array", "data"),
    [
        (np.array([[1, 2], [3, 4]], np.int64), [1, 2, 3, 4]),
        (np.array([2**63 - 1]), [2**63 - 1]),
        (np.array([1.5, np.nan, np.inf, -np.inf]), [1.5, "nan", "inf", "-inf"]),
        (np.array([0.5], np.float16), [0.5]),
        (np.array([True, False]), [True, False]),
        (np.array(["ü".encode(), b"\xff"], object), ["ü", "\\xff"]),
        (["a" * 300], ["a" * 200 + "..."]),
        (np.zeros((0, 3)), []),
    ],
)
def test_tensor_is_shown(array: object, data: list[object]) -> None:
    tensor = shown(array)
    assert isinstance(tensor, dict)
    assert tensor["data"] == data
    assert not tensor["shortened"]


def test_long_tensor_is_shortened() -> None:
    tensor = shown(np.arange(1000, dtype=np.int32))
    assert tensor == {
        "name": "x",
        "datatype": "INT32",
        "shape": [1000],
        "data": list(range(16)),
        "shortened": True,
    }


def test_call_that_was_shared_says_with_how_many() -> None:
    body = Absent("step 'a' put out nothing", "left-out")
    port = Port("a", "outputs")
    alone = record_document(PortRecord(port, 0, 1.0, body), 0.0)
    shared = record_document(PortRecord(port, 0, 1.0, body, shared_by=3), 0.0)
    assert "shared_by" not in alone
    assert shared == {**alone, "shared_by": 3}


def test_omitted_contents_are_not_made_up() -> None:
    tensors = (Tensor("x", "FP32", (9,), b""),)
    record = PortRecord(Port("a", "outputs"), 0, 100.0, tensors, 36)
    assert record_document(record, 100.0)["tensors"] == [
        {"name": "x", "datatype": "FP32", "shape": [9]}
    ]


def test_markers_say_why() -> None:
    absent = PortRecord(Port("a", "inputs"), 0, 100.0, Absent("left out", "left-out"))
    failed = PortRecord(Port(None, "outputs"), 0, 100.0, Failed("lost", "gone", "a"))
    assert record_document(absent, 100.0) == {
        "port": "a.inputs",
        "round": 0,
        "after_ms": 0.0,
        "state": "absent",
        "reason": "left out",
        "cause": "left-out",
    }
    document = record_document(failed, 100.0)
    assert document["port"] == "outputs"
    assert (document["state"], document["code"], document["step"]) == ("failed", "lost", "a")


def test_story_from_open_to_end() -> None:
    headers = {"x-request-id": "mine"}
    story = Story("r", "p", 3, InferenceRequest(None, ()), headers, 0.0, 60.0, asynchronous=True)
    assert summary(story) == {
        "id": "r",
        "pipeline": "p",
        "version": 3,
        "asynchronous": True,
        "external": False,
        "begun_by": None,
        "opened": "1970-01-01T00:00:00.000Z",
        "took_ms": None,
        "under_way": True,
        "outcome": None,
        "step": None,
        "x_request_id": "mine",
    }
    story.settle(NoOutputError("nothing", details=["a: why"]), 4.0)
    story.failures.append(Failed("step-failed", "late", "b"))
    story.end(9.0)
    document = whole(story)
    assert (document["took_ms"], document["ended_ms"], document["under_way"]) == (4.0, 9.0, False)
    assert document["error"] == {
        "code": "no-output",
        "error": "nothing",
        "step": None,
        "details": ["a: why"],
    }
    assert document["dead_letters"] == [{"code": "step-failed", "reason": "late", "step": "b"}]
