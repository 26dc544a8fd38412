"""Callers of pipelines whose requests go through streams get what they would get without."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, config, diamond, manifest, process, single
from penstock.core.contracts.transport import Output, Written
from penstock.core.errors import (
    CancelledRequestError,
    DeadlineError,
    InvalidRequestError,
    NoOutputError,
    NotReadyError,
    OverloadedError,
    StepFailedError,
    TooLargeError,
    UnsupportedError,
)
from penstock.core.inference import InferenceResponse
from penstock.core.records import Absent, Failed

DEAD_LETTERS = "test.shared.deadletters"


async def test_a_request_goes_through_streams_and_its_answer_comes_back(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        assert await one.ready() == []
        response = await one.send("diamond", 2.0).result()
        assert isinstance(response, InferenceResponse)
        said = (response.id, response.model_name, response.model_version)
        assert said == ("mine", "diamond", "1")
        assert response.tensors[0].array[0] == 10.0
        extents = await streams.extents("test.shared.pipeline.diamond.outputs")
        assert sum(extent.end for extent in extents) == 1


async def test_many_callers_of_one_moment_go_in_one_batch(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        answers = [one.send("diamond", float(value)) for value in range(50)]
        values = [await answer.value() for answer in answers]
        assert values == [5.0 * value for value in range(50)]
        assert [len(batch) for batch in streams.published] == [50]
        assert len({output.partition for output in streams.published[0]}) == 4


async def test_what_fails_says_where_and_is_no_dead_letter(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        error = await one.send("diamond", -1.0).result()
        assert isinstance(error, StepFailedError)
        assert (error.step, error.message) == (
            "triple",
            "model 'triple' raised ValueError: negative",
        )
        assert [extent.end for extent in await streams.extents(DEAD_LETTERS)] == [0]


async def test_absence_comes_back_with_its_reasons(tmp_path: Path) -> None:
    streams = SharedStreams()
    router = manifest("Model", "router", python="models:router")
    output = {"steps": ["router.outputs.odd"]}
    routed = manifest("Pipeline", "routed", steps=[{"name": "router"}], output=output)
    async with process(streams, tmp_path, router, routed) as one:
        await one.ready()
        error = await one.send("routed", 2.0).result()
        assert isinstance(error, NoOutputError)
        assert len(error.details) == 1
        assert "router" in error.details[0]


async def test_what_is_wrong_with_a_request_is_said_before_it_is_published(tmp_path: Path) -> None:
    streams = SharedStreams()
    silent = manifest("Pipeline", "silent", steps=[{"name": "double"}])
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond(), silent) as one:
        await one.ready()
        answer = one.send("silent", 1.0)
        assert isinstance(answer.results[0], UnsupportedError)
        assert streams.published == []
        await one.send("diamond", 1.0, outputs=("sum",)).value()
        unknown = await one.send("diamond", 1.0, outputs=("sun",)).result()
        assert isinstance(unknown, InvalidRequestError)


async def test_a_caller_hears_of_the_deadline_by_the_deadline(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *single("idle", "endless")) as one:
        await one.ready()
        error = await one.send("idle", 1.0, timeout_ms=150).result()
        assert isinstance(error, DeadlineError)


async def test_a_caller_who_goes_away_is_told_so_once(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *single("lazy", "slow")) as one:
        await one.ready()
        answer = one.send("lazy", 1.0)
        assert answer.ticket is not None
        answer.ticket.cancel()
        answer.ticket.cancel()
        assert isinstance(await answer.result(), CancelledRequestError)
        assert await one.send("lazy", 2.0).value() == 2.0
        assert len(answer.results) == 1


async def test_the_bounds_of_what_is_under_way_hold(tmp_path: Path) -> None:
    streams = SharedStreams()
    limits = config(limits={"inFlight": 2})
    async with process(streams, tmp_path, *single("lazy", "slow"), settings=limits) as one:
        await one.ready()
        answers = [one.send("lazy", float(value)) for value in range(2 + 256 + 1)]
        assert isinstance(await answers[-1].result(), OverloadedError)
        assert [await answer.value() for answer in answers[:6]] == [0, 1, 2, 3, 4, 5]
        assert max(len(batch) for batch in streams.published) <= 2
        for answer in answers[6:-1]:
            assert answer.ticket is not None
            answer.ticket.cancel()


async def test_a_transport_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        streams.away = True
        assert isinstance(await one.send("diamond", 1.0).result(), NotReadyError)
        streams.away = False
        assert await one.send("diamond", 1.0).value() == 5.0


class Hanging(SharedStreams):
    """Acknowledges nothing."""

    async def publish(self, outputs: Sequence[Output]) -> Sequence[Written]:
        await asyncio.Event().wait()
        return ()


async def test_a_transport_that_says_nothing_is_said_to_be_away(tmp_path: Path) -> None:
    async with process(Hanging(), tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        error = await one.send("diamond", 1.0, timeout_ms=100).result()
        assert isinstance(error, NotReadyError)
        assert "transport" in error.message


class Narrow(SharedStreams):
    """Takes no record whose tensors are large."""

    def _write(self, outputs: Sequence[Output]) -> list[Written]:
        for output in outputs:
            body = output.record.body
            tensors = () if isinstance(body, Absent | Failed) else body
            if sum(tensor.nbytes for tensor in tensors) > 100:
                raise TooLargeError("the record is too large")
        return super()._write(outputs)


async def test_what_is_too_large_goes_alone_and_is_refused(tmp_path: Path) -> None:
    async with process(Narrow(), tmp_path, *DIAMOND_MODELS, diamond()) as one:
        await one.ready()
        answers = [one.send("diamond", *values) for values in ([1.0], [2.0] * 50, [3.0])]
        assert await answers[0].value() == 5.0
        assert isinstance(await answers[1].result(), TooLargeError)
        assert await answers[2].value() == 15.0


async def test_an_answer_that_is_too_large_fails_as_that(tmp_path: Path) -> None:
    streams = Narrow()
    wide = manifest("Model", "wide", python="models:wide")
    pipeline = manifest(
        "Pipeline", "wide-one", steps=[{"name": "wide"}], output={"steps": ["wide"]}
    )
    async with process(streams, tmp_path, wide, pipeline) as one:
        await one.ready()
        assert isinstance(await one.send("wide-one", 1.0).result(), TooLargeError)
        assert [extent.end for extent in await streams.extents(DEAD_LETTERS)] == [0]


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
async def test_versions_change_places_under_load(tmp_path: Path, delivery: str) -> None:
    streams = SharedStreams()
    async with process(streams, tmp_path, *DIAMOND_MODELS, diamond(delivery=delivery)) as one:
        await one.ready()
        answers = []
        for round_number in range(8):
            answers += [one.send("diamond", float(value)) for value in range(20)]
            await one.apply(
                diamond(delivery=delivery, record="all" if round_number % 2 else "none")
            )
            await asyncio.sleep(0.02)
        results = [await answer.result() for answer in answers]
        values = [r.tensors[0].array[0] for r in results if isinstance(r, InferenceResponse)]
        assert values == [5.0 * value for _ in range(8) for value in range(20)]
        assert len({r.model_version for r in results if isinstance(r, InferenceResponse)}) > 1
