"""Pipelines whose edges do not fit do not serve; a model version that breaks one neither."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from harness.control_plane import Plane, control_plane, model, pipeline
from penstock.core.errors import InvalidRequestError
from penstock.core.signature import Signature, TensorSpec

SMALL, BIG = (TensorSpec("x", datatype, ("n", 4)) for datatype in ("FP32", "FP64"))
EDGE = (
    "spec.steps[1].inputs[0]: step 'b' wants 'x' as FP32 [n, 4], but 'a.outputs.x' is FP64 [n, 4]"
)
BROKEN = f"version 2 is refused: it would break pipeline 'p': {EDGE}"


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path) as plane:
        plane.server.signatures = {"a": gives(SMALL), "b": takes(SMALL)}
        yield plane


def gives(tensor: TensorSpec) -> Signature:
    return Signature((SMALL,), (tensor,))


def takes(tensor: TensorSpec) -> Signature:
    return Signature((tensor,), (SMALL,))


async def serve(plane: Plane) -> None:
    await plane.apply(model("a", python="m:A"), model("b", python="m:A"), pipeline("p", "a", "b"))
    assert await plane.settle() == []


async def test_a_pipeline_whose_edges_do_not_fit_is_not_ready(plane: Plane) -> None:
    plane.server.signatures["a"] = gives(BIG)
    await plane.apply(model("a"), model("b"), pipeline("p", "a", "b"))

    assert await plane.settle() == [f"pipeline 'p' is not ready: {EDGE}"]
    assert plane.condition("Pipeline", "p") == ("False", "SignaturesDoNotFit", EDGE)
    assert EDGE in (await plane.call("p")).message


async def test_a_new_version_whose_edges_do_not_fit_leaves_the_old_one_in_service(
    plane: Plane,
) -> None:
    plane.server.signatures["c"] = takes(BIG)
    await serve(plane)
    await plane.apply(model("c"), pipeline("p", "a", "c"))

    assert len(await plane.settle()) == 1
    assert plane.condition("Pipeline", "p") == ("True", "Serving", "version 1 serves")
    assert plane.condition("Pipeline", "p", "Progressing") is not None


async def test_a_version_of_a_model_that_breaks_a_pipeline_is_refused(plane: Plane) -> None:
    await serve(plane)
    plane.server.signatures["a"] = gives(BIG)
    await plane.apply(model("a", python="m:B"))

    assert await plane.settle() == [f"model 'a' is not ready: {BROKEN}"]
    assert plane.condition("Model", "a") == ("True", "Serving", "version 1 serves")
    assert plane.condition("Model", "a", "Progressing") == ("False", "BreaksPipeline", BROKEN)
    assert (await plane.call("p")).model_version == "1"
    await plane.unloaded(("a", 2))


async def test_versions_that_fit_each_other_come_into_service_together(plane: Plane) -> None:
    await serve(plane)
    plane.server.signatures = {"a": gives(BIG), "b": takes(BIG)}
    gate = plane.server.held["b"] = asyncio.Event()
    await plane.apply(model("a", python="m:B"), model("b", python="m:B"))
    await plane.until(
        lambda: (
            plane.condition("Model", "a", "Progressing")
            == (
                "True",
                "WaitingForOthers",
                f"version 2 waits for 'b': it would break pipeline 'p': {EDGE}",
            )
        )
    )
    assert (await plane.call("a")).model_version == "1"
    gate.set()

    assert await plane.settle() == []
    assert plane.condition("Model", "a") == ("True", "Serving", "version 2 serves")
    assert plane.condition("Model", "b") == ("True", "Serving", "version 2 serves")
    await plane.unloaded(("a", 1), ("b", 1))


async def test_a_version_that_waits_for_one_that_fails_is_refused(plane: Plane) -> None:
    await serve(plane)
    plane.server.signatures["a"] = gives(BIG)
    gate = plane.server.held["b"] = asyncio.Event()
    plane.server.failing["b"] = [InvalidRequestError("it is a bad one")]
    await plane.apply(model("a", python="m:B"), model("b", python="m:B"))
    await plane.loading(1)
    gate.set()

    assert len(await plane.settle()) == 2
    assert plane.condition("Model", "a", "Progressing") == ("False", "BreaksPipeline", BROKEN)


async def test_a_refused_version_comes_with_the_model_that_it_fits(plane: Plane) -> None:
    await serve(plane)
    plane.server.signatures = {"a": gives(BIG), "b": takes(BIG)}
    await plane.apply(model("a", python="m:B"))
    assert len(await plane.settle()) == 1

    await plane.apply(model("b", python="m:B"))

    assert await plane.settle() == []
    assert plane.condition("Model", "a") == ("True", "Serving", "version 2 serves")


async def test_a_refused_version_comes_with_the_pipeline_that_it_fits(plane: Plane) -> None:
    plane.server.signatures["c"] = takes(BIG)
    await serve(plane)
    plane.server.signatures["a"] = gives(BIG)
    await plane.apply(model("a", python="m:B"), model("c"))
    assert len(await plane.settle()) == 1

    await plane.apply(pipeline("p", "a", "c"))

    assert await plane.settle() == []
    assert plane.condition("Model", "a") == ("True", "Serving", "version 2 serves")
    assert plane.condition("Pipeline", "p") == ("True", "Serving", "version 2 serves")


async def test_a_refused_version_comes_when_the_pipeline_goes(plane: Plane) -> None:
    await serve(plane)
    plane.server.signatures["a"] = gives(BIG)
    await plane.apply(model("a", python="m:B"))
    assert len(await plane.settle()) == 1

    await plane.control.delete("Pipeline", "p", force=False)

    assert await plane.settle() == []
    assert plane.condition("Model", "a") == ("True", "Serving", "version 2 serves")


async def test_what_waits_is_unloaded_when_its_model_goes(plane: Plane) -> None:
    await serve(plane)
    plane.server.signatures["a"] = gives(BIG)
    plane.server.held["b"] = asyncio.Event()
    await plane.apply(model("a", python="m:B"), model("b", python="m:B"))
    await plane.until(
        lambda: (
            (plane.condition("Model", "a", "Progressing") or ("", "", ""))[1] == "WaitingForOthers"
        )
    )
    await plane.control.delete("Model", "a", force=True)
    await plane.unloaded(("a", 1), ("a", 2))


async def test_a_model_whose_signature_nobody_minds_changes_freely(plane: Plane) -> None:
    await serve(plane)
    plane.server.signatures["b"] = Signature((SMALL,), (BIG,))
    await plane.apply(model("b", python="m:B"))

    assert await plane.settle() == []
    metadata = plane.gateway.metadata(plane.gateway.resolve("p"))
    assert metadata.signature == Signature((SMALL,), (BIG,))
