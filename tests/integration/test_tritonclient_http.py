"""NVIDIA's tritonclient over HTTP, unmodified, in an environment of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fakes.gateway import FakeGateway
from harness.rest_server import serving
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.errors import StepFailedError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.signature import Signature, TensorSpec

PROGRAM = Path(__file__).parent / "programs" / "triton_http.py"


def make_context() -> FrontEndContext:
    """A model that echoes, a pipeline that does, and a model that fails."""

    def echo(name: str, request: InferenceRequest) -> InferenceResponse:
        wanted = [output.name for output in request.outputs or ()]
        tensors = [t for t in request.tensors if not wanted or t.name in wanted]
        return InferenceResponse(name, "1", request.id, tuple(tensors))

    gateway = FakeGateway()
    model = gateway.add("echo", lambda request: echo("echo", request))
    model.signature = Signature((TensorSpec("x", "FP32", ("n", 4)),), (TensorSpec("x", "FP32"),))
    gateway.add("flow", lambda request: echo("flow", request), kind="pipeline")
    gateway.add("broken", lambda request: StepFailedError("it broke", step="vote"))
    return FrontEndContext(gateway)


@pytest.mark.parametrize(
    "part",
    ["information", "datatypes", "binary", "json", "errors", "compression", "threads", "aio"],
)
def test_tritonclient(triton_python: Path, part: str) -> None:
    with serving(make_context) as address:
        url = address.removeprefix("http://")
        done = subprocess.run(
            [triton_python, PROGRAM, url, part],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
