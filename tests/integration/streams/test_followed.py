"""Requests that are followed from process to process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.entry_points import FakeEntryPoint, a_plugin
from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, manifest, process, records
from penstock.core.contracts.follower import Follower, Following, RequestSeen, VisitSeen
from penstock.core.contracts.observer import Observer
from penstock.core.contracts.transport import Output
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.records import Body, Failed, Headers, Port, Record
from penstock.core.runtime.stream_roles import StreamRole
from penstock.core.streams.headers import FOLLOWED_HEADER
from penstock.core.tensors import Tensor

ROOT = "test.shared.pipeline"
WANTED = {"x-request-id": "wanted"}
GATEWAY: frozenset[StreamRole] = frozenset({"pipeline-gateway"})
DATAFLOW: frozenset[StreamRole] = frozenset({"dataflow"})
MODEL_GATEWAY: frozenset[StreamRole] = frozenset({"model-gateway"})


class Notes(Observer, Follower):
    """Follows what is wanted, in one process, and writes down what it is told."""

    def __init__(self, name: str, told: list[str]) -> None:
        self.name = name
        self.told = told
        self.asked = 0

    def entry_point(self) -> FakeEntryPoint:
        return FakeEntryPoint("notes", a_plugin(register_observers={"notes": lambda: self}))

    def start(self, metrics: Metrics) -> None:
        """Nothing is counted."""

    def follower(self) -> Follower:
        return self

    def follow(self, request: RequestSeen) -> Following | None:
        self.asked += 1
        if request.headers.get("x-request-id") != "wanted":
            return None
        self.note("begins", request.begun_by or "a caller's", request.headers.get("traceparent"))
        return NotesOfOne(self)

    def note(self, *words: object) -> None:
        self.told.append(" ".join(map(str, (self.name, *words))))


class NotesOfOne(Following):
    """One request."""

    def __init__(self, notes: Notes) -> None:
        self._note = notes.note
        self._name = notes.name

    def visit_called(self, visit: VisitSeen, at_ms: float) -> Headers:
        self._note("calls", visit.step)
        return {"traceparent": f"{self._name}/{visit.step}"}

    def visit_retried(self, visit: VisitSeen, attempt: int, failed: Failed, at_ms: float) -> None:
        self._note("calls", visit.step, "again:", failed.code)

    def visit_ended(self, visit: VisitSeen, body: Body, at_ms: float) -> None:
        self._note("has", visit.step, "a value" if isinstance(body, tuple) else body)

    def record_read(self, visit: VisitSeen | None) -> Headers:
        return {"traceparent": self._name}

    def answered(self, result: InferenceResponse | PenstockError, at_ms: float) -> None:
        self._note("answers", result.code if isinstance(result, PenstockError) else "ok")

    def buried(self, failed: Failed, at_ms: float) -> None:
        self._note("buries")

    def closed(self, at_ms: float) -> None:
        self._note("is done")


def doubling(layout: str) -> str:
    """A pipeline of one step."""
    steps = [{"name": "double"}]
    return manifest("Pipeline", "p", layout=layout, steps=steps, output={"steps": ["double"]})


def below(kept: Sequence[Record]) -> list[str]:
    """What each of the records that are wanted is below."""
    return [each.headers["traceparent"] for each in kept if WANTED.items() <= each.headers.items()]


async def test_a_request_is_followed_through_each_process_that_it_comes_to(tmp_path: Path) -> None:
    streams, told = SharedStreams(), list[str]()
    documents = [*DIAMOND_MODELS, doubling("spread")]
    notes = {name: Notes(name, told) for name in ("gateway", "worker", "caller")}

    async with (
        process(
            streams, tmp_path, *documents, roles=GATEWAY, plugins=[notes["gateway"].entry_point()]
        ) as gateway,
        process(
            streams, tmp_path, *documents, roles=DATAFLOW, plugins=[notes["worker"].entry_point()]
        ) as worker,
        process(
            streams,
            tmp_path,
            *documents,
            roles=MODEL_GATEWAY,
            plugins=[notes["caller"].entry_point()],
        ) as caller,
    ):
        for each in (gateway, worker, caller):
            await each.ready()
        assert await gateway.send("p", 3.0, headers={"x-request-id": "other"}).value() == 6.0
        assert {name: each.asked for name, each in notes.items()} == {
            "gateway": 1,
            "worker": 0,
            "caller": 0,
        }
        assert await gateway.send("p", 3.0, headers=WANTED).value() == 6.0
        kept = await records(streams, f"{ROOT}.p.outputs", 2)
    assert below(kept) == ["worker"]
    assert all(FOLLOWED_HEADER not in each.headers for each in kept)
    alone = {name: [each for each in told if each.startswith(name)] for name in notes}
    assert alone == {
        "gateway": ["gateway begins a caller's None", "gateway answers ok", "gateway is done"],
        "worker": [
            "worker begins p.inputs gateway",
            "worker calls double",
            "worker has double a value",
            "worker answers ok",
            "worker is done",
        ],
        "caller": [
            "caller begins p.step.double.inputs worker/double",
            "caller calls double",
            "caller has double a value",
            "caller is done",
        ],
    }


@pytest.mark.parametrize("layout", ["fused", "direct"])
async def test_a_record_that_others_wrote_is_followed_by_who_takes_it(
    tmp_path: Path, layout: str
) -> None:
    streams, told = SharedStreams(), list[str]()
    notes = Notes("it", told)
    documents = [*DIAMOND_MODELS, doubling(layout)]
    async with process(streams, tmp_path, *documents, plugins=[notes.entry_point()]) as one:
        await one.ready()
        tensor = Tensor.from_numpy("x", np.array([3.0]))
        record = Record(
            "mine", b"", "p", 0, Port(None, "inputs"), 0, (tensor,), {}, dict(WANTED), float("inf")
        )
        await streams.publish([Output(f"{ROOT}.p.inputs", record, 0)])
        await records(streams, f"{ROOT}.p.outputs", 1)
    assert told == [
        "it begins p.inputs None",
        "it calls double",
        "it has double a value",
        "it answers ok",
        "it is done",
    ]


async def test_a_direct_request_is_followed_where_it_is_run(tmp_path: Path) -> None:
    streams, told = SharedStreams(), list[str]()
    notes = Notes("it", told)
    documents = [*DIAMOND_MODELS, doubling("direct")]
    async with process(streams, tmp_path, *documents, plugins=[notes.entry_point()]) as one:
        await one.ready()
        assert await one.send("p", 3.0).value() == 6.0
        assert told == []
        assert await one.send("p", 3.0, headers=WANTED).value() == 6.0
        kept = await records(streams, f"{ROOT}.p.outputs", 2)
    assert below(kept) == ["it"]
    assert told == [
        "it begins a caller's None",
        "it calls double",
        "it has double a value",
        "it answers ok",
        "it is done",
    ]


async def test_of_a_request_that_nobody_waits_for_it_is_followed_that_it_is_taken_in(
    tmp_path: Path,
) -> None:
    streams, told = SharedStreams(), list[str]()
    notes = Notes("it", told)
    documents = [*DIAMOND_MODELS, doubling("fused")]
    async with process(
        streams, tmp_path, *documents, roles=GATEWAY, plugins=[notes.entry_point()]
    ) as one:
        await one.ready()
        target = one.runtime.gateway.resolve("p", kind="pipeline")
        tensor = Tensor.from_numpy("x", np.array([3.0]))
        await target.accept(InferenceRequest(None, (tensor,)), WANTED).accepted()
    assert told == ["it begins a caller's None", "it is done"]
