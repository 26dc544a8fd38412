"""Case files: what is written is read again, and whatever else is read ends in a sentence."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core.cases import Case, CaseManifest, read_case, write_case
from penstock.core.cases.case import Withholding
from penstock.core.errors import InvalidRequestError, NoOutputError
from penstock.core.inference import InferenceRequest, InferenceResponse, RequestedOutput
from penstock.core.journal import AttemptRecord, PortRecord, Story
from penstock.core.journal.story import Brought
from penstock.core.plan import ExternalPort
from penstock.core.records import Absent, Failed, Port
from penstock.core.tensors import Tensor

IN, OUT = Port(None, "inputs"), Port(None, "outputs")


def a_case() -> Case:
    numbers = Tensor.from_numpy("x", np.array([[1.5, np.nan]], np.float32), {"scale": 2})
    texts = Tensor.from_numpy("t", np.array(["ü", ""], object))
    story = Story(
        "01ID",
        "p",
        3,
        InferenceRequest("7", (numbers, texts), {"a": True}, (RequestedOutput("y"),)),
        {"x-request-id": "mine"},
        1700000000000.123,
        1700000060000.5,
        asynchronous=True,
        versions=[2, None],
    )
    body = (numbers.renamed("y"), texts)
    story.add(PortRecord(IN, 0, 1700000000000.123, (numbers, texts)))
    story.add(PortRecord(Port("a", "inputs"), 2, 1700000000001.0, body))
    story.add(PortRecord(Port("a", "outputs"), 0, 1700000000002.0, Absent("left out", "left-out")))
    failed = Failed("step-failed", "broken", "b", attempts=3)
    story.add(PortRecord(Port("b", "outputs"), 0, 1700000000003.0, failed))
    omitted = (Tensor("big", "FP32", (9,), b""),)
    story.add(PortRecord(Port("c", "outputs"), 0, 1700000000004.0, omitted, 36))
    story.add_attempt(AttemptRecord("b", 0, 1, 1700000000002.5, Failed("lost", "gone", "b")))
    story.settle(NoOutputError("nothing came", details=["a: why"]), 1700000000005.0)
    story.failures.append(failed)
    story.end(1700000000006.0)
    child = Story(
        "01ID/s.0.1",
        "q",
        1,
        InferenceRequest(None, ()),
        {},
        1.0,
        2.0,
        asynchronous=False,
        versions=[],
    )
    child.settle(InferenceResponse("q", "1", None, (numbers,)), 1.5)
    nothing = InferenceRequest(None, ())
    reader = Story(
        "01ID", "r", 2, nothing, {}, 3.0, 4.0, asynchronous=True, external=True, versions=[]
    )
    reader.add_brought(Brought(ExternalPort("p", Port("a", "outputs")), "01ID", 3.0))
    other = ExternalPort("o", OUT)
    reader.add_brought(Brought(other, "02ID", 3.25, (texts,)))
    reader.add_brought(Brought(other, "03ID", 3.5, Absent("left out", "left-out")))
    reader.settle(NoOutputError("nothing came"), 3.75)
    pipeline = {"kind": "Pipeline", "metadata": {"name": "p"}, "spec": {}}
    return Case(
        story,
        [child],
        [CaseManifest(pipeline, 3, "/srv/m")],
        [Withholding("01ID", Port("c", "outputs"), 0, "big", "dropped", "p")],
        ["something"],
        {"defaults": {"record": "all"}},
        "all",
        [reader],
        {"r": "boundary"},
    )


def told(story: Story) -> dict[str, Any]:
    """A story as plain values, the contents of its tensors with it."""
    result = story.result
    return {
        name: getattr(story, name)
        for name in (
            "identity", "pipeline", "version", "headers", "opened_ms", "deadline_ms", "answered_ms",
            "ended_ms", "asynchronous", "external", "brought", "versions", "records", "attempts",
            "failures",
        )
    } | {
        "request": (
            story.request.id, story.request.tensors, story.request.parameters,
            story.request.outputs, [tensor.parameters for tensor in story.request.tensors],
        ),
        "result": result.tensors
        if isinstance(result, InferenceResponse)
        else (getattr(result, "code", None), str(result), getattr(result, "details", ())),
    }  # fmt: skip


def test_what_is_written_is_read_again() -> None:
    case = a_case()
    again = read_case(write_case(case), "a.penstock")
    assert told(again.story) == told(case.story)
    assert [told(child) for child in again.children] == [told(child) for child in case.children]
    assert [told(reader) for reader in again.readers] == [told(reader) for reader in case.readers]
    assert again.readers_kept == case.readers_kept
    assert again.kept_of(again.readers[0]) == "boundary"
    assert again.manifests == case.manifests
    assert again.withheld == case.withheld
    assert (again.missing, again.config, again.kept) == (case.missing, case.config, "all")
    assert write_case(again)[:100] == write_case(case)[:100]


def test_contents_are_in_it_once_and_raw() -> None:
    with zipfile.ZipFile(io.BytesIO(write_case(a_case()))) as archive:
        names = sorted(archive.namelist())
        assert names == ["case.json", "tensors/1.bin", "tensors/2.bin"]
        assert archive.read("tensors/1.bin") == np.array([1.5, np.nan], "<f4").tobytes()
        assert json.loads(archive.read("case.json"))["format"] == 1


def changed(change: Any) -> bytes:
    """A case file in whose document something is changed."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(write_case(a_case()))) as old,
        zipfile.ZipFile(buffer, "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name == "case.json":
                document = json.loads(data)
                change(document)
                data = json.dumps(document).encode()
            new.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.update(format=2), "its format is 2, and this version of penstock reads 1"),
        (lambda d: d.update(format=0), "its format is 0"),
        (lambda d: d.pop("requests"), "case.json: requests: Field required"),
        (lambda d: d.update(requests=[]), "case.json: requests: List should have at least 1"),
        (
            lambda d: d["requests"][0]["records"][0].update(side="up"),
            "case.json: requests.0.records.0.side: Input should be 'inputs' or 'outputs'",
        ),
        (
            lambda d: d["requests"][0]["records"][0]["tensors"][0].update(shape=[3]),
            "tensor 'x': shape [3] of FP32 wants 12 bytes, the contents have 8",
        ),
        (
            lambda d: d["requests"][0]["records"][0]["tensors"][0].update(contents="tensors/9.bin"),
            "tensor 'x': the archive has no 'tensors/9.bin'",
        ),
        (
            lambda d: d["requests"][0]["records"][0]["tensors"][0].update(datatype="FP31"),
            "tensor 'x': ",
        ),
        (
            lambda d: d["requests"][0]["records"][0].update(tensors=[]),
            "a record that is a value has no tensor",
        ),
        (
            lambda d: d["requests"][0]["records"][3].pop("failure"),
            "a record that failed does not say how",
        ),
        (lambda d: d["manifests"][0].update(manifest={}), "no kind, or no metadata"),
        (
            lambda d: d["manifests"][0].update(manifest={"kind": "Model", "metadata": {}}),
            "has no name",
        ),
    ],
)
def test_a_document_that_is_wrong_is_told_where(change: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_case(changed(change), "a.penstock")
    assert caught.value.message.startswith("'a.penstock' is no case file, or damaged: ")
    assert sentence in caught.value.message


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"no zip", zipped(), zipped(other=b"{}"), zipped(**{"case.json": b"\xff{"})],
)
def test_foreign_files_are_no_cases(data: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="is no case file"):
        read_case(data, "a.penstock")


def test_an_archive_that_holds_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.core.cases.reader.MOST_BYTES", 100)
    with pytest.raises(InvalidRequestError, match="holds more than 100 bytes"):
        read_case(zipped(a=bytes(1000)), "a.penstock")
    monkeypatch.setattr("penstock.core.cases.reader.MOST_FILES", 1)
    with pytest.raises(InvalidRequestError, match="it has 2 files; at most 1 are read"):
        read_case(zipped(a=b"", b=b""), "a.penstock")


WHOLE = write_case(a_case())


def read_or_refused(data: bytes) -> None:
    """Nothing but a case or a sentence comes of it."""
    with suppress(InvalidRequestError):
        assert isinstance(read_case(data, "a.penstock"), Case)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8), st.integers(0, len(WHOLE))
)
def test_a_damaged_file_is_read_or_refused(at: int, written: bytes, end: int) -> None:
    data = (WHOLE[:at] + written + WHOLE[at + len(written) :])[: max(end, 1)]
    read_or_refused(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    found = [path] if path else []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        found += paths(inner, (*path, key))
    return found


DOCUMENT = json.loads(zipfile.ZipFile(io.BytesIO(WHOLE)).read("case.json"))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(paths(DOCUMENT)), json_values)
def test_any_value_at_any_place_is_read_or_refused(path: tuple[Any, ...], value: Any) -> None:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    read_or_refused(changed(change))
