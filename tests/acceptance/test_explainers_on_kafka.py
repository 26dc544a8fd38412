"""Explainers where pipelines go over Kafka, and models are on agents that may be killed."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acceptance.test_roles_on_kafka import answers_in, started, streams_of, write_config
from harness.program import Program, program
from integration.gateways.rig import PATIENCE_S, PORTS, apply, chain, client_of, times, write
from penstock.core.arrays import Array
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest
from penstock.core.tensors import Tensor
from penstock.servers.v2 import V2Client
from penstock.transports.kafka import KafkaOptions
from penstock.transports.kafka.broker.cluster import LocalKafka

pytest.importorskip("confluent_kafka", reason="penstock[kafka] is not installed")


WAYS = {
    "fused": "layout: fused",
    "spread": "layout: spread",
    "direct": "layout: direct",
    "exact": "delivery: exactly-once",
}
MIX = (("scheduler",), ("agent", "dataflow"), ("pipeline-gateway", "model-gateway"))

ROW = np.array([[1.0, 4.0]])
BACKGROUND = [[0.0, 0.0], [1.0, 2.0]]
EXPECTED = 6.0 * (ROW - np.mean(BACKGROUND, axis=0))


def why(name: str, explained: str) -> str:
    """The manifest of what explains ``explained`` (``modelRef: x``)."""
    section = f"{{type: kernel_shap, batchSize: 100, {explained}}}"
    parameters = f"{{background: {BACKGROUND}, features: [x]}}"
    return (
        f"kind: Model\nmetadata: {{name: {name}}}\n"
        f"spec: {{explainer: {section}, parameters: {parameters}}}\n"
    )


ASKS = (
    "kind: Pipeline\nmetadata: {{name: ask-{0}}}\nspec: {{{1}, "
    "steps: [{{name: why-{0}}}], output: {{steps: [why-{0}]}}}}\n"
)
"""A pipeline that has an explainer as its step."""

FAR = "kind: Server\nmetadata: {name: far}\nspec: {serverConfig: inprocess}\n"

HANGS = """
import pathlib, time

def once(x):
    called = pathlib.Path("called")
    if not called.exists():
        called.touch()
        time.sleep(3600)
    return {"y": x * 5}
"""


def far() -> list[str]:
    """A model on the server ``far`` that never answers its first call, and what explains it."""
    model = "kind: Model\nmetadata: {name: once}\nspec: {python: 'hangs:once', server: far}\n"
    return [FAR, model, why("why-once", "modelRef: once"), ASKS.format("once", "layout: fused")]


def documents() -> list[str]:
    """For each way that requests can go, a pipeline, what explains it, and a pipeline with that as
    its step."""
    all_of = [times("a", 2), times("b", 3), why("why-a", "modelRef: a")]
    for name, way in WAYS.items():
        all_of.append(chain(name, "a", "b").replace("spec: {", f"spec: {{{way}, "))
        all_of.append(why(f"why-{name}", f"pipelineRef: {name}"))
        all_of.append(ASKS.format(name, way))
    return all_of


async def asked(
    client: V2Client, target: str, until: Sequence[str] = ("not-ready", "not-found")
) -> dict[str, Array]:
    """What comes of the row, as soon as something else does than these errors."""
    request = InferenceRequest(None, (Tensor.from_numpy("x", ROW),), model_name=target)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                answer = await client.infer(request, timeout_s=PATIENCE_S)
            except PenstockError as error:
                if error.code not in until:
                    raise
                await asyncio.sleep(0.05)
            else:
                return {tensor.name: tensor.array for tensor in answer.tensors}


async def over_rest(base: str, target: str) -> dict[str, Any]:
    """The same from a server that answers already."""
    tensor = {"name": "x", "datatype": "FP64", "shape": ROW.shape, "data": ROW.ravel().tolist()}
    request = urllib.request.Request(
        f"{base}/v2/models/{target}/infer",
        json.dumps({"inputs": [tensor]}).encode(),
        {"content-type": "application/json"},
    )

    def send() -> dict[str, Any]:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            outputs = json.load(answer)["outputs"]
            return {each["name"]: each["data"] for each in outputs}

    return await asyncio.to_thread(send)


async def test_any_worker_explains(tmp_path: Path, kafka: LocalKafka) -> None:
    """Of several behind one address, each with all roles."""
    options = streams_of(kafka)
    config = write_config(tmp_path / "up", options)
    manifests = write(tmp_path / "up", *documents())
    words = ("up", "--workers", "2", *PORTS, "-c", config, manifests)
    with program(tmp_path / "up", *words) as up:
        up.ready()
        for _ in range(4):  # whichever worker a connection comes to
            async with client_of(up.grpc) as client:
                for name in WAYS:
                    answer = await asked(client, f"ask-{name}")
                    assert np.allclose(contributions(answer["shap_values"]), EXPECTED)
    for name in WAYS:
        assert (await answers_in(options, name)).total() == 0, name


def contributions(values: Array) -> Array:
    """Those of each feature to the output of the same number: no other has any."""
    return np.diagonal(values[0])[None]


async def killed_while_it_is_asked(
    tmp_path: Path, options: KafkaOptions, programs: Sequence[Program]
) -> None:
    """Who explains a model on an agent that is killed is told, and goes on when it is back."""
    folder, at = tmp_path / "far", {"scheduler": programs[0].grpc}
    words = ("run", "agent", "--name", "far", *PORTS, "-c")
    config = write_config(folder, options, gateway=at, agent=at)
    (tmp_path / "manifests" / "hangs.py").write_text(HANGS)
    async with client_of(programs[-1].grpc) as client:
        with program(folder, *words, config) as agent:
            await apply(programs[0].grpc, tmp_path / "manifests", *far())
            asking = asyncio.create_task(asked(client, "ask-once"))
            async with asyncio.timeout(PATIENCE_S):
                while not (folder / "called").exists():  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(0.05)
            agent.kill()
        with pytest.raises(PenstockError) as lost:
            await asyncio.wait_for(asking, PATIENCE_S / 2)
        assert lost.value.code == "lost"
        assert "explainer 'why-once' has no answer of model 'once': " in lost.value.message
        with program(folder, *words, config):
            answer = await asked(client, "ask-once", ("lost", "not-ready"))
            assert np.allclose(contributions(answer["shap_values"]), EXPECTED / 6.0 * 5.0)


async def test_explanations_over_streams(tmp_path: Path, kafka: LocalKafka) -> None:
    """What is asked on their way is in no stream that others read."""
    write(tmp_path / "manifests")
    options = streams_of(kafka)
    with started(tmp_path, options, MIX) as programs:
        await apply(programs[0].grpc, tmp_path / "manifests", *documents())
        front = programs[-1]
        async with client_of(front.grpc) as client:
            whole = await asked(client, "why-a")
            assert np.allclose(contributions(whole["shap_values"]), EXPECTED / 3.0)
            for name in WAYS:
                for target in (f"why-{name}", f"ask-{name}"):
                    answer = await asked(client, target)
                    assert np.allclose(contributions(answer["shap_values"]), EXPECTED), target
                    rest = await over_rest(front.addresses["rest"], target)
                    assert np.allclose(rest["shap_values"], answer["shap_values"].ravel())
                await asked(client, name)
                await asked(client, f"ask-{name}")
        await killed_while_it_is_asked(tmp_path, options, programs)
        for each in reversed(programs):
            each.stop()
            assert "ERROR" not in each.logged()
            assert "Traceback" not in each.logged()
    for name in WAYS:
        assert (await answers_in(options, name)).total() == 1, name
        assert (await answers_in(options, f"ask-{name}")).total() == 3, name
