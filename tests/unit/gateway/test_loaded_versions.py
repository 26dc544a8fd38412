"""Versions that were replaced can be called by their number for as long as they are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.control_plane import FakeInstance, control_plane, model
from harness.following import following
from harness.instances import Inline
from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import ModelInstance
from penstock.core.errors import NotFoundError
from penstock.core.inference import InferenceResponse
from penstock.core.model_gateway import ModelGateway, ModelSlot
from penstock.core.routing.book import RouteBook


def instance() -> Inline:
    return Inline(lambda call: call.tensors)


def called(slot: ModelSlot) -> ModelInstance | None:
    return None if slot.served is None else slot.served.instance


async def test_the_place_of_a_version_follows_its_copies() -> None:
    models = ModelGateway()
    first, second, other = instance(), instance(), instance()
    models.publish("m", 1, first)
    slot = models.version_slot("m", 1)
    assert slot is not None
    models.publish("m", 1, second)
    assert called(slot) is second
    await models.drained(first)
    assert models.version_slot("m", 1) is slot
    models.publish("m", 2, other)
    assert called(slot) is second
    assert models.version_slot("m", 2) is not slot
    await models.drained(second)
    assert called(slot) is None
    assert models.version_slot("m", 1) is None


async def test_the_last_copies_of_a_version_are_those_that_are_called() -> None:
    models = ModelGateway()
    first, second = instance(), instance()
    models.publish("m", 1, first)
    models.publish("m", 1, second)
    models.withdraw("m", "it is gone")
    slot = models.version_slot("m", 1)
    assert slot is not None
    assert called(slot) is second
    assert models.version_slot("other", 1) is None


async def test_requests_may_name_it(tmp_path: Path) -> None:
    book = RouteBook("epoch", VirtualClock())
    async with control_plane(tmp_path, book=book) as plane, following(plane, book) as gateway:
        await plane.apply(model("a"))
        await gateway.answers("a")
        gateway.link.open.clear()  # so that the first version is kept for it
        await plane.apply(model("a", python="models:Other"))
        await plane.settle()

        old = plane.gateway.resolve("a.model", version="1")
        assert not old.current, "it is asked for each time"
        assert plane.gateway.resolve("a.model", version="1") is old
        assert plane.gateway.metadata(old).versions == ("1",)
        called: FakeInstance = plane.server.loaded["a", 1]
        called.called.clear()
        said = plane.call_target(old)
        assert isinstance(await said, InferenceResponse)
        assert called.called.is_set()
        for name, kind, version in (
            ("a.model", None, "7"),
            ("a.model", None, "one"),
            ("a.pipeline", None, "1"),
            ("a", "pipeline", "1"),
        ):
            with pytest.raises(NotFoundError):
                plane.gateway.resolve(name, kind=kind, version=version)  # type: ignore[arg-type]  # mypy joins the kinds

        gateway.link.open.set()
        await plane.unloaded(("a", 1))
        with pytest.raises(NotFoundError, match="has no version 1; it serves 2"):
            plane.gateway.resolve("a.model", version="1")
