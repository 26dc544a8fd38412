"""The contract of server adapters. Every implementation subclasses :class:`ServerAdapterContract`.

Subclasses give a started adapter, and models that behave as :class:`Behaviour` says; how those
are written is the server's matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from enum import Enum

import numpy as np
import pytest

from harness.calls import ask, call_with, values
from penstock.core.contracts.model import ModelInstance, ModelSpec, ServerAdapter
from penstock.core.errors import PenstockError, StepFailedError
from penstock.core.signature import Signature, TensorSpec


class Behaviour(Enum):
    """What a model of the suite does."""

    DOUBLE = "double"
    """Takes ``x`` (FP32, any shape) and puts out ``y``, twice as large."""
    ECHO = "echo"
    """Takes ``x`` (any datatype, any shape) and puts it out as ``y``."""
    FAIL = "fail"
    """Takes ``x`` (FP32) and raises an error that says ``broken`` where it is negative, else
    behaves as DOUBLE."""
    MISSING = "missing"
    """There is no such model: what it is named by does not exist."""


class ServerAdapterContract:
    """Subclasses implement :meth:`started` and :meth:`spec`."""

    def started(self) -> AsyncIterator[ServerAdapter]:
        """Yield an adapter that was started, and stop it afterwards."""
        raise NotImplementedError

    def spec(self, behaviour: Behaviour, version: int = 1) -> ModelSpec:
        """A model that behaves so, named like the behaviour."""
        raise NotImplementedError

    @pytest.fixture
    async def adapter(self) -> AsyncIterator[ServerAdapter]:
        async for adapter in self.started():
            yield adapter

    async def loaded(self, adapter: ServerAdapter, behaviour: Behaviour) -> ModelInstance:
        return await adapter.load(self.spec(behaviour))

    async def test_it_says_what_models_may_require(self, adapter: ServerAdapter) -> None:
        capabilities = adapter.capabilities()
        assert isinstance(capabilities, frozenset)
        assert set(self.spec(Behaviour.DOUBLE).requirements) <= capabilities

    async def test_a_model_answers(self, adapter: ServerAdapter) -> None:
        model = await self.loaded(adapter, Behaviour.DOUBLE)
        [answer] = await ask(model, call_with(x=[[1, 2], [3, 4.5]]))
        assert (answer.name, answer.datatype, answer.shape) == ("y", "FP32", (2, 2))
        assert answer.array.tolist() == [[2.0, 4.0], [6.0, 9.0]]

    async def test_tensors_come_back_as_they_went(self, adapter: ServerAdapter) -> None:
        model = await self.loaded(adapter, Behaviour.ECHO)
        for array in (
            np.array([True, False]),
            np.array([[2**63 - 1, -(2**63)]]),
            np.array([b"a", b"", "grüß".encode(), b"\xff\x00"], dtype=object),
            np.zeros((0, 3), np.float32),
            np.array(1.5),
        ):
            call = call_with(x=array)
            [answer] = await ask(model, call)
            assert answer.renamed("x") == call.tensors[0]

    async def test_what_a_call_was_given_is_not_changed(self, adapter: ServerAdapter) -> None:
        model = await self.loaded(adapter, Behaviour.DOUBLE)
        call = call_with(x=[1, 2, 3])
        before = bytes(call.tensors[0].raw)
        await ask(model, call)
        assert bytes(call.tensors[0].raw) == before

    async def test_calls_at_the_same_time_get_their_own_answers(
        self, adapter: ServerAdapter
    ) -> None:
        model = await self.loaded(adapter, Behaviour.DOUBLE)
        answers = await asyncio.gather(*(ask(model, call_with(x=[n])) for n in range(50)))
        assert [values(each)["y"] for each in answers] == [[2.0 * n] for n in range(50)]

    async def test_an_error_of_the_model_is_an_error_of_that_call(
        self, adapter: ServerAdapter
    ) -> None:
        model = await self.loaded(adapter, Behaviour.FAIL)
        outcomes = await asyncio.gather(
            *(ask(model, call_with(x=[n])) for n in (1, -1, 2)), return_exceptions=True
        )
        assert isinstance(outcomes[1], StepFailedError)
        assert "broken" in outcomes[1].message
        assert "Traceback" not in outcomes[1].message
        assert not outcomes[1].retriable
        assert [values(each)["y"] for each in (outcomes[0], outcomes[2])] == [[2.0], [4.0]]  # type: ignore[arg-type]  # errors fail the test

    async def test_a_call_that_is_given_up_leaves_the_model_usable(
        self, adapter: ServerAdapter
    ) -> None:
        model = await self.loaded(adapter, Behaviour.DOUBLE)
        for _ in range(5):
            task = asyncio.create_task(ask(model, call_with(x=[1])))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        assert values(await ask(model, call_with(x=[1]))) == {"y": [2.0]}

    async def test_a_model_that_is_not_there_is_explained(self, adapter: ServerAdapter) -> None:
        with pytest.raises(PenstockError) as caught:
            await self.loaded(adapter, Behaviour.MISSING)
        assert "missing" in caught.value.message
        assert not caught.value.retriable

    async def test_what_a_manifest_declares_is_known_before_loading(
        self, adapter: ServerAdapter
    ) -> None:
        declared = Signature((TensorSpec("x", "FP32"),), (TensorSpec("y", "FP32"),))
        spec = replace(self.spec(Behaviour.DOUBLE, 1), signature=declared)
        assert adapter.signature(spec) == declared

    async def test_versions_stand_side_by_side(self, adapter: ServerAdapter) -> None:
        old = await adapter.load(self.spec(Behaviour.DOUBLE, 1))
        new = await adapter.load(self.spec(Behaviour.DOUBLE, 2))
        assert old is not new
        await adapter.unload(old)
        assert values(await ask(new, call_with(x=[3]))) == {"y": [6.0]}

    async def test_what_was_unloaded_can_be_loaded_again(self, adapter: ServerAdapter) -> None:
        for _ in range(2):
            model = await self.loaded(adapter, Behaviour.DOUBLE)
            assert values(await ask(model, call_with(x=[1]))) == {"y": [2.0]}
            await adapter.unload(model)
