"""Copies at an agent answer to their model's name and version beside their own name."""

from __future__ import annotations

import asyncio

import pytest

from harness.instances import Gated, Inline
from harness.virtual_time import in_virtual_time
from penstock.core.agent.served import ServedCopies
from penstock.core.clock import VirtualClock
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.dataflow import Dataflow
from penstock.core.errors import NotFoundError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.testing.joins import Joins
from penstock.testing.scripts import tensor


class Agent:
    """What answers for the copies of an agent."""

    def __init__(self, clock: VirtualClock) -> None:
        metrics, models = Metrics(), ModelGateway()
        self.metrics = metrics
        self.dataflow = Dataflow(models, metrics, clock)
        self.gateway = PipelineGateway(
            self.dataflow,
            metrics,
            clock,
            GatewayLimits(),
            ServerMetadata("", "", ()),
        )
        self.gateway.open_intake()
        self.copies = ServedCopies(models, self.gateway, metrics, Joins(), clock, followed=False)

    async def ask(self, name: str, version: str | None) -> tuple[str, str, str]:
        """The name and version that answer, and the tensor."""
        answer: asyncio.Future[InferenceResponse | PenstockError]
        answer = asyncio.get_running_loop().create_future()
        target = self.gateway.resolve(name, version=version)
        request = InferenceRequest(None, (tensor("x"),))
        target.submit(request, {}, None, answer.set_result)
        result = await answer
        assert isinstance(result, InferenceResponse), result
        return result.model_name, result.model_version, result.tensors[0].name


def named(name: str) -> Inline:
    """A model that answers with a tensor of this name."""
    return Inline(lambda call: (tensor(name),))


def test_a_version_is_the_copy_that_was_loaded_for_it() -> None:
    async def main(clock: VirtualClock) -> None:
        agent = Agent(clock)
        first, second = named("first"), named("second")
        for version, instance in ((1, first), (2, second)):
            agent.copies.put(f"m_{version}", version, instance)
            agent.copies.answer_as(f"m_{version}", "m", version)
        assert await agent.ask("m", "1") == ("m", "1", "first")
        assert await agent.ask("m.model", "2") == ("m", "2", "second")
        assert await agent.ask("m_1", None) == ("m_1", "1", "first")
        nothing: list[tuple[str, str | None]] = [("m", None), ("m.pipeline", "1"), ("m", "3")]
        for name, asked in nothing:
            with pytest.raises(NotFoundError):
                agent.gateway.resolve(name, version=asked)
        kept = agent.gateway.resolve("m", version="1")
        assert agent.gateway.resolve("m", version="1") is kept
        await agent.copies.take_away("m_1", 1, first)
        assert not kept.current
        with pytest.raises(NotFoundError, match="no version 1 here; there is 2"):
            agent.gateway.resolve("m", version="1")
        assert await agent.ask("m", "2") == ("m", "2", "second")
        await agent.copies.take_away("m_2", 2, second)
        assert ("m", True) not in agent.metrics.pipelines

    in_virtual_time(main)


def test_a_model_that_is_called_as_a_copy_is_another() -> None:
    async def main(clock: VirtualClock) -> None:
        agent = Agent(clock)
        agent.copies.put("m_2", 2, named("of m"))
        agent.copies.answer_as("m_2", "m", 2)
        agent.copies.put("m_2_2", 2, named("of m_2"))
        agent.copies.answer_as("m_2_2", "m_2", 2)
        assert await agent.ask("m_2", "2") == ("m_2", "2", "of m_2")
        assert await agent.ask("m_2", None) == ("m_2", "2", "of m")

    in_virtual_time(main)


def test_the_copy_that_was_named_last_is_meant_and_naming_it_again_changes_nothing() -> None:
    async def main(clock: VirtualClock) -> None:
        agent = Agent(clock)
        before, after = named("before"), named("after")
        agent.copies.put("m_1", 1, before)
        agent.copies.answer_as("m_1", "m", 1)
        target = agent.gateway.resolve("m", version="1")
        agent.copies.answer_as("m_1", "m", 1)
        assert agent.gateway.resolve("m", version="1") is target
        agent.copies.put("m_1-2", 1, after)
        agent.copies.answer_as("m_1-2", "m", 1)
        assert not target.current
        assert await agent.ask("m", "1") == ("m", "1", "after")
        await agent.copies.take_away("m_1", 1, before)
        assert await agent.ask("m", "1") == ("m", "1", "after")

    in_virtual_time(main)


def test_a_copy_is_taken_away_when_nothing_is_under_way_on_it_by_any_name() -> None:
    async def main(clock: VirtualClock) -> None:
        agent, held = Agent(clock), Gated()
        agent.dataflow.start()
        agent.copies.put("m_1", 1, held)
        agent.copies.answer_as("m_1", "m", 1)
        asked = asyncio.create_task(agent.ask("m", "1"))
        await asyncio.sleep(0)
        leaving = asyncio.create_task(agent.copies.take_away("m_1", 1, held))
        await asyncio.sleep(1.0)
        assert not leaving.done()
        held.answer((tensor("x"),))
        assert await asked == ("m", "1", "x")
        await leaving
        await agent.dataflow.stop()

    in_virtual_time(main)
