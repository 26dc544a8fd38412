"""What is refused, and what is answered, leaves nothing behind."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest

from harness.instances import Inline
from penstock.core.clock import SystemClock
from penstock.core.codecs.json import decode_request
from penstock.core.codecs.protobuf import parse_request
from penstock.core.contracts.control import ManifestText
from penstock.core.contracts.gateway import ServerMetadata
from penstock.core.dataflow import Dataflow
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest
from penstock.core.manifests import read_manifests
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.plan.single_model import compile_model
from penstock.testing.joins import Joins
from penstock.testing.scripts import tensor

BAD_JSON = (
    b"",
    b"[]",
    b'{"inputs": [{"name": "x"}]}',
    b'{"inputs": [{"name": "x", "datatype": "INT8", "shape": [2], "data": [1, 300]}]}',
    b'{"inputs": [{"name": "x", "datatype": "BYTES", "shape": [1], "data": ["' + b"x" * 5000,
)
BAD_PROTOBUF = (b"\xff", b"\x0a\xff\xff\xff\xff\x7f", b"\x2a\x02\x0a\x05" + b"x" * 5000)
BAD_MANIFESTS = ("kind: Modell\n", "a: [", "kind: Model\nmetadata: {name: x}\nspec: {pyton: m:x}\n")

ALLOWED_BYTES = 64 * 1024
"""Tables that grow to a bound, and the interpreter's own; thousands of requests hold megabytes."""


def decode_json(number: int) -> None:
    decode_request(BAD_JSON[number % len(BAD_JSON)])


def decode_protobuf(number: int) -> None:
    parse_request(BAD_PROTOBUF[number % len(BAD_PROTOBUF)])


def read_manifest(number: int) -> None:
    read_manifests([ManifestText(BAD_MANIFESTS[number % len(BAD_MANIFESTS)], "x.yaml", "/")])


def grown(work: Callable[[int], object], times: int) -> int:
    """Bytes that are held after so many turns and were not after a tenth of them."""
    tracemalloc.start()
    try:
        sizes = []
        for count in (times // 10, times):
            for number in range(count):
                with suppress(PenstockError):
                    work(number)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        return sizes[1] - sizes[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("work", "times"), [(decode_json, 5000), (decode_protobuf, 5000), (read_manifest, 300)]
)
def test_what_cannot_be_read_is_not_kept(work: Callable[[int], None], times: int) -> None:
    assert grown(work, times) < ALLOWED_BYTES


async def test_what_is_answered_is_not_kept_and_makes_no_work_for_the_collector() -> None:
    models, metrics, clock = ModelGateway(), Metrics(), SystemClock()
    dataflow = Dataflow(models, metrics, clock)
    dataflow.start()
    metadata = ServerMetadata("penstock", "0", ())
    gateway = PipelineGateway(dataflow, metrics, clock, GatewayLimits(), metadata)
    gateway.open_intake()
    made = (tensor("y"),)
    instance = Inline(lambda call: made)
    models.publish("m", 1, instance)
    gateway.set_model(compile_model("m", 1, Joins()), None)
    target = gateway.resolve("m")
    given = (tensor("x"),)

    def ask(number: int) -> None:
        target.submit(InferenceRequest(None, given), {}, None, lambda reply: None)
        instance.calls.clear()

    assert grown(ask, 5000) < ALLOWED_BYTES
    gc.collect()
    gc.disable()
    try:
        for number in range(1000):
            ask(number)
        assert gc.collect() < 100
    finally:
        gc.enable()
