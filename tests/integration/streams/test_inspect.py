"""Requests as their streams have recorded them, from whichever process."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import (
    DIAMOND_MODELS,
    PATIENCE_S,
    call,
    diamond,
    manifest,
    process,
    told,
)
from integration.streams.test_asynchronous import submit
from integration.streams.test_readers import reads, records
from integration.streams.test_tap import followed
from penstock.core.cases import Case
from penstock.core.cases.reader import read_case
from penstock.core.contracts.inquiries import Begin
from penstock.core.contracts.transport import THE_BEGINNING, Output
from penstock.core.records import Port, Record
from penstock.core.tensors import Tensor

INPUTS = "test.shared.pipeline.diamond.inputs"


def visits(story: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """How each step ended, and what ended its wait."""
    return {
        each["step"] or "output": (each["state"], each["join"]["ended_by"])
        for each in story["visits"]
    }


def is_whole(story: dict[str, Any]) -> bool:
    """Whether each step of the diamond ended with a value, after what it waits for.

    ``add`` waits for two that run at once: either may come last.
    """
    return visits(story) in [
        {
            "double": ("value", "diamond.inputs"),
            "triple": ("value", "diamond.inputs"),
            "add": ("value", f"{last}.outputs.y"),
            "output": ("value", "add.outputs"),
        }
        for last in ("double", "triple")
    ]


@pytest.mark.parametrize("layout", ["fused", "direct", "spread"])
async def test_every_step_of_a_request_is_shown_by_any_gateway(tmp_path: Path, layout: str) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout=layout, record="all")]
    async with (
        process(streams, tmp_path, *documents) as one,
        process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as two,
    ):
        await one.ready()
        await two.ready()
        answer = one.send("diamond", 3.0, headers={"x-request-id": "theirs"})
        assert await answer.value() == 15.0
        assert answer.ticket is not None
        await followed(two, "diamond", most=1, begin=Begin(offset=0))  # written behind the answer
        story = await told(two, f"/v1/requests/{answer.ticket.identity}")
        assert (story["outcome"], story["asynchronous"]) == ("ok", False)
        assert is_whole(story), visits(story)
        assert story["records"][-1]["tensors"][0]["data"] == [15.0]
        assert story["x_request_id"] == "theirs"
        by_name = await told(one, "/v1/requests/theirs")
        assert by_name["id"] == story["id"]
        identity = await submit(one, "diamond")
        await told(one, f"/v2/requests/{identity}?wait=5000")
        story = await told(two, f"/v1/requests/{identity}")
        assert is_whole(story), visits(story)
        assert story["asynchronous"]


def case_of(rest: str, identity: str) -> Case:
    """A request as a file, over REST."""
    with urllib.request.urlopen(f"{rest}/v1/cases/{identity}", timeout=PATIENCE_S) as response:
        return read_case(response.read(), identity)


async def test_a_caller_finds_the_request_and_not_what_it_made_of_other_pipelines(
    tmp_path: Path,
) -> None:
    streams = SharedStreams()
    steps = [{"name": "inner", "pipeline": "diamond"}]
    documents = [
        *DIAMOND_MODELS,
        diamond(),
        manifest("Pipeline", "outer", steps=steps, output={"steps": ["inner"]}, record="all"),
        reads("reader", "outer.outputs.sum"),
    ]
    async with process(streams, tmp_path, *documents) as one:
        assert await one.ready() == []
        for value in (1.0, 2.0):
            answer = one.send("outer", value, headers={"x-request-id": "theirs"})
            assert await answer.value() == 5.0 * value
        await records(streams, "test.shared.pipeline.reader.outputs", 2)
        await records(streams, "test.shared.pipeline.diamond.inputs", 2)
        story = await told(one, "/v1/requests/theirs")
        assert answer.ticket is not None
        assert (story["pipeline"], story["id"]) == ("outer", answer.ticket.identity)
        assert len(story["same_x_request_id"]) == 1
        [child], [read] = story["children"], story["readers"]
        assert (child["pipeline"], child["id"]) == ("diamond", f"{story['id']}/inner.0.1")
        assert (read["pipeline"], read["id"], read["outcome"]) == ("reader", story["id"], "ok")
        file = await asyncio.to_thread(case_of, one.addresses["rest"], story["id"])
        assert [each.identity for each in file.children] == [child["id"]]


async def test_requests_are_listed_and_found_by_time_outcome_and_place(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        for value in (1.0, 2.0, -3.0):
            await one.send("diamond", value).result()
        listed = (await told(one, "/v1/requests?pipeline=diamond"))["requests"]
        assert [each["outcome"] for each in listed] == ["step-failed", "ok", "ok"]
        assert listed[0]["step"] == "triple"
        failed = (await told(one, "/v1/requests?outcome=failed"))["requests"]
        assert failed == listed[:1]
        assert (await told(one, "/v1/requests?limit=1"))["requests"] == listed[:1]
        since = quote(listed[0]["opened"])
        later = (await told(one, f"/v1/requests?since={since}"))["requests"]
        assert listed[0] in later
        earlier = (await told(one, "/v1/requests?until=2026-01-01T00:00:00Z"))["requests"]
        assert earlier == []
        assert (await told(one, "/v1/requests?pipeline=nobody"))["requests"] == []


async def test_records_that_anybody_wrote_are_found_by_identity_and_place(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        tensor = Tensor.from_numpy("x", np.array([4.0]))
        for identity in ("", "theirs"):
            port = Port(None, "inputs")
            record = Record(identity, b"", "", 0, port, 0, (tensor,), {}, {}, float("inf"))
            await streams.publish([Output(INPUTS, record, 2)])
        tail = await streams.tail("test.shared.pipeline.diamond.outputs", 2, THE_BEGINNING)
        answers = 0
        while answers < 2:
            answers += len(await tail.take(2))
        for name in ("diamond/2/0", quote(f"{INPUTS}/2/0")):
            story = await told(one, f"/v1/requests/{name}")
            assert (story["id"], story["outcome"]) == (f"{INPUTS}/2/0", "ok")
        for name in ("theirs", "diamond/2/1"):
            assert (await told(one, f"/v1/requests/{name}"))["id"] == "theirs"
        for name in ("nobody", "diamond/2/7", "diamond/9/0", "01ARZ3NDEKTSV4RRFFQ69G5FAV"):
            status, body = await call(one, f"/v1/requests/{name}")
            assert (status, json.loads(body)["code"]) == (404, "not-found")
            assert "PIPELINE/PARTITION/OFFSET" in body


async def test_a_request_that_nobody_has_taken_up_is_open(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(record="all")]
    async with process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as one:
        await one.ready()
        identity = await submit(one, "diamond")
        story = await told(one, f"/v1/requests/{identity}")
        assert (story["outcome"], story["deadline_ms"], story["under_way"]) == (None, None, True)
        assert {state for state, _ in visits(story).values()} == {"waiting"}
        open_ones = (await told(one, "/v1/requests?outcome=open"))["requests"]
        assert [each["id"] for each in open_ones] == [identity]


async def test_dead_letters_are_read_and_sent_again_by_any_gateway(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond()]
    async with (
        process(streams, tmp_path, *documents, roles=frozenset({"dataflow"})) as one,
        process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as two,
    ):
        await one.ready()
        await two.ready()
        assert (await told(two, "/v1/deadletters"))["dead_letters"] == []
        failing = {"name": "x", "datatype": "FP64", "shape": [1], "data": [-3.0]}
        path = "/v2/pipelines/diamond/requests"
        _, body = await call(two, path, {"inputs": [failing]}, {"x-request-id": "theirs"})
        identity = json.loads(body)["id"]
        status, _ = await call(two, f"/v2/requests/{identity}?wait=5000")
        assert status == 500
        (letter,) = (await told(two, "/v1/deadletters?pipeline=diamond"))["dead_letters"]
        assert letter == await told(two, "/v1/deadletters/1")
        assert (letter["id"], letter["code"], letter["step"]) == (identity, "step-failed", "triple")
        assert letter["inputs"][0]["data"] == [-3.0]
        assert (letter["x_request_id"], letter["may_be_sent_again"]) == ("theirs", True)
        assert (await told(two, "/v1/deadletters?pipeline=other"))["dead_letters"] == []
        story = await told(two, f"/v1/requests/{identity}")
        assert [each["step"] for each in story["dead_letters"]] == ["triple"]
        status, body = await call(two, "/v1/deadletters/1/send", {})
        assert status == 202
        again = json.loads(body)["id"]
        await call(two, f"/v2/requests/{again}?wait=5000")
        (second, first) = (await told(two, "/v1/deadletters"))["dead_letters"]
        assert (second["id"], first["id"]) == (again, identity)
        for number in (3, 77):
            status, _ = await call(two, f"/v1/deadletters/{number}")
            assert status == 404
