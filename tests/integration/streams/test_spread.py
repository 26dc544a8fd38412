"""Layout spread, with a process for each role."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.shared_streams import SharedStreams
from integration.streams.rig import DIAMOND_MODELS, PATIENCE_S, diamond, process
from integration.streams.test_processes import identities_in
from penstock.core.contracts.transport import Delivery
from penstock.core.errors import PenstockError
from penstock.core.runtime.stream_roles import StreamRole
from penstock.core.streams.calls import CallDesk
from penstock.core.streams.offered import OfferedCalls

STEP = "test.shared.pipeline.diamond.step.triple."


async def test_each_role_in_a_process_of_its_own(tmp_path: Path) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="spread")]
    async with (
        process(streams, tmp_path, *documents, roles=frozenset({"pipeline-gateway"})) as front,
        process(streams, tmp_path, *documents, roles=frozenset({"dataflow"})) as owner,
    ):
        await front.ready()
        await owner.ready()
        waiting = front.send("diamond", 1.0)
        await asyncio.sleep(0.1)
        assert waiting.results == [], "nobody calls the models yet, and the calls wait"
        roles: frozenset[StreamRole] = frozenset({"model-gateway"})
        async with process(streams, tmp_path, *documents, roles=roles) as models:
            await models.ready()
            assert await waiting.value() == 5.0
            answers = [front.send("diamond", float(value)) for value in range(40)]
            assert [await each.value() for each in answers] == [5.0 * v for v in range(40)]
            failed = await front.send("diamond", -1.0).result()
    assert isinstance(failed, PenstockError)
    assert (failed.code, failed.step) == ("step-failed", "triple")
    for side in ("inputs", "outputs"):
        counted = await identities_in(streams, STEP + side)
        assert len(counted) == 42
        assert set(counted.values()) == {1}


async def test_calls_to_the_model_gateway_beside_need_not_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[bool] = []
    has_ended = OfferedCalls.has_ended

    def counts(calls: OfferedCalls, delivery: Delivery) -> bool:
        ended.append(has_ended(calls, delivery))
        return ended[-1]

    monkeypatch.setattr(OfferedCalls, "has_ended", counts)
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="spread")]
    async with process(streams, tmp_path, *documents) as one:
        await one.ready()
        answers = [one.send("diamond", float(value)) for value in range(40)]
        assert [await each.value() for each in answers] == [5.0 * v for v in range(40)]
        async with asyncio.timeout(PATIENCE_S):
            left = {STEP + "inputs": 1}
            while any(left.values()):
                await asyncio.sleep(0.01)
                left = dict(await streams.backlog("test.shared.models", [STEP + "inputs"]))
    assert any(ended)
    for side in ("inputs", "outputs"):
        counted = await identities_in(streams, STEP + side)
        assert sorted(counted.values()) == [1] * 40


async def test_one_process_has_all_roles_and_other_model_gateways_come_and_go(
    tmp_path: Path,
) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="spread")]
    roles: frozenset[StreamRole] = frozenset({"model-gateway"})
    async with process(streams, tmp_path, *documents) as one:
        await one.ready()
        async with process(streams, tmp_path, *documents, roles=roles) as two:
            await two.ready()
            answers = [one.send("diamond", float(value)) for value in range(40)]
        assert [await each.value() for each in answers] == [5.0 * v for v in range(40)]
    assert set((await identities_in(streams, STEP + "outputs")).values()) == {1}


async def test_who_asks_beside_the_model_gateway_waits_for_no_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = SharedStreams()
    documents = [*DIAMOND_MODELS, diamond(layout="spread")]
    async with process(streams, tmp_path, *documents) as one:
        await one.ready()
        monkeypatch.setattr(CallDesk, "heard", lambda self, deliveries: None)
        answer = one.send("diamond", 3.0)
        assert await answer.value() == 15.0
        assert answer.ticket is not None
    # It is in the outputs of the step all the same.
    assert await identities_in(streams, STEP + "outputs") == {answer.ticket.identity: 1}
