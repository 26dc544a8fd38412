"""Pipelines that read others: when they are ready, what is refused, and versions that come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness.control_plane import Plane, control_plane, model, pipeline
from penstock.core.errors import ConflictError, PenstockError
from penstock.core.problems import ProblemsError
from penstock.core.signature import Signature, TensorSpec

A_B = (model("a"), model("b"))
SRC = pipeline("src", "a")

SMALL, BIG = (TensorSpec("x", datatype, ("n", 4)) for datatype in ("FP32", "FP64"))
EDGE = (
    "spec.input.externalInputs[0]: the input wants 'x' as FP32 [?, 4], but 'src.outputs.x' is "
    "FP64 [n, 4]"
)


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path) as plane:
        yield plane


def reads(name: str, *inputs: str, step: str = "b", **spec: Any) -> dict[str, Any]:
    return pipeline(name, step, input={"externalInputs": list(inputs)}, **spec)


async def refused(plane: Plane, *documents: dict[str, Any]) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        await plane.apply(*documents)
    return [str(each).split(": ", 1)[1] for each in caught.value.problems]


def answers(plane: Plane, name: str) -> dict[str, int]:
    counters = plane.metrics.pipelines.get((name, False))
    return {} if counters is None else counters.answers


# Ready, and not ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations((*A_B, SRC, reads("r", "src.step.a")))))
async def test_it_reads_when_all_are_there_in_whatever_order(
    plane: Plane, order: tuple[dict[str, Any], ...]
) -> None:
    for document in order:
        await plane.apply(document)
    assert await plane.settle() == []
    await plane.call("src")
    assert answers(plane, "r") == {"ok": 1}


async def test_what_is_missing_is_said_with_the_nearest_name(plane: Plane) -> None:
    await plane.apply(*A_B, SRC, reads("r", "scr"), reads("s", "src.step.aa"))
    assert await plane.settle() == [
        "pipeline 'r' is not ready: there is no pipeline 'scr'; did you mean 'src'?",
        "pipeline 's' is not ready: there is no step 'aa' in pipeline 'src'; did you mean 'a'?",
    ]
    assert plane.reason("Pipeline", "r") == "MissingPipeline"
    assert plane.reason("Pipeline", "s") == "MissingStep"
    await plane.apply(model("aa"), pipeline("src", "aa"), pipeline("scr", "a"))
    assert await plane.settle() == []


async def test_a_source_that_does_not_serve_is_waited_for(plane: Plane) -> None:
    await plane.apply(model("b"), SRC, reads("r", "src"))
    assert (await plane.settle())[0] == (
        "pipeline 'r' is not ready: pipeline 'src' is not ready: there is no model 'a'"
    )
    assert plane.reason("Pipeline", "r") == "PipelineNotReady"
    await plane.apply(model("a"))
    assert await plane.settle() == []


async def test_what_others_read_goes_only_by_force(plane: Plane) -> None:
    await plane.apply(*A_B, SRC, reads("r", "src"))
    assert await plane.settle() == []
    with pytest.raises(ConflictError, match="pipeline 'src' is used by pipeline 'r'"):
        await plane.control.delete("Pipeline", "src", force=False)
    await plane.control.delete("Pipeline", "src", force=True)
    assert await plane.settle() == ["pipeline 'r' is not ready: there is no pipeline 'src'"]
    await plane.apply(SRC)
    assert await plane.settle() == []
    await plane.call("src")
    assert answers(plane, "r") == {"ok": 1}


async def test_a_source_emits_only_while_somebody_reads(plane: Plane) -> None:
    await plane.apply(*A_B, SRC, reads("r", "src.step.a"))
    assert await plane.settle() == []
    assert {str(port) for port in read_of(plane)} == {"a.outputs"}
    await plane.apply(reads("r", "src.inputs"))
    await plane.settle()
    assert {str(port) for port in read_of(plane)} == {"inputs"}
    await plane.control.delete("Pipeline", "r", force=False)
    await plane.quiet()
    await plane.settle()
    assert read_of(plane) == frozenset()


def read_of(plane: Plane) -> frozenset[Any]:
    deployment = plane.gateway.resolve("src.pipeline").deployment  # type: ignore[attr-defined]  # the gateway's own targets have one
    plan = deployment.plan
    assert isinstance(plan.read, frozenset)
    return plan.read


# Refused at apply -------------------------------------------------------------------------------


async def test_a_version_without_what_others_read_is_refused(plane: Plane) -> None:
    await plane.apply(*A_B, SRC, reads("r", "src.step.a"), reads("s", "src"))
    await plane.settle()
    assert await refused(plane, pipeline("src", "b")) == [
        "metadata.name: pipeline 'r' reads 'src.step.a.outputs': there is no step 'a' in pipeline "
        "'src'"
    ]
    silent = pipeline("src", steps=[{"name": "a"}])
    assert await refused(plane, silent) == [
        "metadata.name: pipeline 's' reads 'src.outputs': pipeline 'src' has no output"
    ]
    await plane.apply(pipeline("src", "b"), reads("r", "src.step.b"))
    assert await plane.settle() == []


async def test_a_step_that_was_missing_before_may_be_missing_again(plane: Plane) -> None:
    await plane.apply(*A_B, SRC, reads("r", "src.step.c"))
    await plane.apply(pipeline("src", "b"))
    assert len(await plane.settle()) == 1


async def test_a_loop_is_refused_from_either_side(plane: Plane) -> None:
    loop = pipeline(
        "src",
        allowCycles=True,
        steps=[
            {"name": "a", "inputs": ["src", "b.outputs.again"], "inputsJoinType": "any"},
            {"name": "b", "inputs": ["a"]},
        ],
        output={"steps": ["b.outputs.end"]},
    )
    said = "step 'a' of pipeline 'src' is inside a loop, which other pipelines cannot read"
    await plane.apply(loop)
    assert await refused(plane, reads("r", "src.step.a")) == [
        f"spec.input.externalInputs[0]: {said}; read a step behind the loop, or the pipeline's "
        "output"
    ]
    await plane.apply(SRC, reads("r", "src.step.a"))
    assert await refused(plane, loop) == [
        f"metadata.name: pipeline 'r' reads 'src.step.a.outputs': {said}"
    ]


async def test_circles_through_what_is_there_are_refused(plane: Plane) -> None:
    await plane.apply(SRC, reads("r", "src"))
    closing = pipeline(
        "src", steps=[{"name": "k", "pipeline": "r"}, {"name": "a"}], output={"steps": ["a"]}
    )
    assert await refused(plane, closing) == [
        "metadata.name: the pipelines need each other: src -> r -> src"
    ]


async def test_keeping_nothing_is_refused_as_configured(tmp_path: Path) -> None:
    said = (
        "spec.input.externalInputs[0]: pipeline 'src' keeps none of its records (record: none), "
        "and nobody can read them; give pipeline 'src' record: boundary"
    )
    async with control_plane(tmp_path, record="none") as plane:
        assert await refused(plane, SRC, reads("r", "src")) == [said]
        await plane.apply(pipeline("src", "a", record="boundary"), reads("r", "src"))
        assert await refused(plane, SRC) == [
            "metadata.name: pipeline 'r' reads 'src.outputs': pipeline 'src' keeps none of its "
            "records (record: none), and nobody can read them"
        ]


# Types ------------------------------------------------------------------------------------------


def gives(tensor: TensorSpec) -> Signature:
    return Signature((SMALL,), (tensor,))


async def typed(plane: Plane, *, a: TensorSpec) -> None:
    plane.server.signatures = {
        "a": gives(a),
        "b": gives(SMALL),
        "big": Signature((BIG,), (SMALL,)),
        "wide": gives(BIG),
    }
    names = ("a", "b", "big", "wide")
    await plane.apply(*(model(name) for name in names), SRC, reads("r", "src"))


async def test_edges_from_others_are_checked(plane: Plane) -> None:
    await typed(plane, a=BIG)
    assert await plane.settle() == [f"pipeline 'r' is not ready: {EDGE}"]
    assert plane.reason("Pipeline", "r") == "SignaturesDoNotFit"
    await plane.apply(reads("r", "src", step="big"))
    assert await plane.settle() == []


async def test_a_version_that_breaks_a_reader_is_refused_naming_the_edge(plane: Plane) -> None:
    await typed(plane, a=SMALL)
    assert await plane.settle() == []
    await plane.apply(pipeline("src", "wide"))
    said = f"it would break pipeline 'r': {EDGE}"
    assert await plane.settle() == [f"pipeline 'src' is not ready: {said}"]
    assert plane.condition("Pipeline", "src", "Progressing") == ("False", "BreaksReader", said)
    assert plane.condition("Pipeline", "src") == ("True", "Serving", "version 1 serves")
    await plane.call("src")
    assert answers(plane, "r") == {"ok": 1}
    # Once the reader fits the new version, both change.
    await plane.apply(reads("r", "src", step="big"))
    assert await plane.settle() == []
    assert plane.condition("Pipeline", "src") == ("True", "Serving", "version 2 serves")


async def test_both_ends_of_an_edge_change_together(plane: Plane) -> None:
    await typed(plane, a=SMALL)
    assert await plane.settle() == []
    await plane.apply(pipeline("src", "wide"), reads("r", "src", step="big"))
    assert await plane.settle() == []
    await plane.apply(reads("r", "src"), SRC)
    assert await plane.settle() == []


async def test_a_model_that_breaks_a_reader_is_refused_naming_the_edge(plane: Plane) -> None:
    await typed(plane, a=SMALL)
    assert await plane.settle() == []
    plane.server.signatures["a"] = gives(BIG)
    await plane.apply(model("a", python="models:Other"))
    assert await plane.settle() == [
        f"model 'a' is not ready: version 2 is refused: it would break pipeline 'r': {EDGE}"
    ]
    await plane.control.delete("Pipeline", "r", force=False)
    assert await plane.settle() == []


async def test_a_tensor_that_is_not_there_is_found(plane: Plane) -> None:
    await typed(plane, a=SMALL)
    await plane.apply(reads("r", "src.outputs.z"))
    assert (await plane.settle())[0] == (
        "pipeline 'r' is not ready: spec.input.externalInputs[0]: the input reads 'src.outputs.z', "
        "but 'src.outputs' holds 'x' (FP32 [n, 4])"
    )


# Races ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
async def test_versions_and_deletions_in_any_order_leave_nothing(tmp_path: Path, seed: int) -> None:
    """Requests go on while pipelines that read each other come, change and go."""
    random = Random(seed)
    async with control_plane(tmp_path) as plane:
        await plane.apply(*A_B, SRC)
        assert await plane.settle() == []
        calls: list[asyncio.Future[Any]] = []
        for _ in range(40):
            await _something(plane, random)
            calls.append(plane.call("src"))
            if random.random() < 0.5:
                await asyncio.sleep(0)
        await plane.apply(SRC, reads("r", "src"), reads("s", "r.inputs", "src.outputs"))
        await plane.settle()
        assert [
            each for each in await asyncio.gather(*calls) if isinstance(each, PenstockError)
        ] == []
        plane.gateway.close_intake()
        await plane.gateway.drain()
        await plane.quiet()
        assert plane.dataflow.open_passages == 0
        readers = plane.gateway._admission.readers
        assert sorted(readers._by_name) == ["r", "s"]
        assert not any(reader.open for reader in readers._by_name.values())
        assert sorted({port.pipeline for port in readers._by_port}) == ["r", "src"]
        assert plane.control._pipelines._leaving == {}


async def _something(plane: Plane, random: Random) -> None:
    name = random.choice("rs")
    inputs = random.choice((["src"], ["src.step.a"], ["src.inputs", "src.step.a.outputs.z"]))
    if random.random() < 0.3:
        try:
            await plane.control.delete("Pipeline", name, force=True)
        except PenstockError:
            return
    elif name == "s" and random.random() < 0.5:
        await plane.apply(reads("s", "r.inputs", step=random.choice("ab")))
    else:
        await plane.apply(reads(name, *inputs, step=random.choice("ab")))
