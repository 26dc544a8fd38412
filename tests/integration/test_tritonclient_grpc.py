"""NVIDIA's tritonclient over gRPC, unmodified, in an environment of its own, with `penstock up`."""

from __future__ import annotations

import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.up import penstock_up

PROGRAM = Path(__file__).parent / "programs" / "triton_grpc.py"

MODELS = """
    import asyncio
    from typing import Annotated, TypedDict

    import numpy as np
    from numpy.typing import NDArray

    from penstock import Shape


    class Total(TypedDict):
        total: Annotated[NDArray[np.float32], Shape("n")]


    def total(x: Annotated[NDArray[np.float32], Shape("n", 4)]) -> Total:
        return {"total": x.sum(axis=1, dtype=np.float32)}


    def echo(**tensors):
        return tensors


    def broken(x):
        raise RuntimeError("it broke")


    async def slow(x):
        await asyncio.Event().wait()
"""

MANIFESTS = """
    kind: Model
    metadata: {name: echo}
    spec: {python: "models:echo"}
    ---
    kind: Model
    metadata: {name: total}
    spec: {python: "models:total"}
    ---
    kind: Model
    metadata: {name: broken}
    spec: {python: "models:broken"}
    ---
    kind: Model
    metadata: {name: slow}
    spec: {python: "models:slow"}
    ---
    kind: Pipeline
    metadata: {name: flow}
    spec:
      steps:
      - {name: first, model: echo}
      - {name: second, model: total, inputs: [first]}
      output: {steps: [second]}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gRPC address of a server that stops in peace when the tests are over."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "models.py").write_text(textwrap.dedent(MODELS), encoding="utf-8")
    manifests = folder / "manifests.yaml"
    manifests.write_text(textwrap.dedent(MANIFESTS), encoding="utf-8")
    with penstock_up(folder, manifests) as addresses:
        yield addresses["grpc"]


@pytest.mark.parametrize(
    "part",
    [
        *("health", "metadata", "raw", "typed", "pipelines", "errors"),
        *("repository", "timeouts", "callbacks", "stream", "compression", "aio"),
    ],
)
def test_tritonclient(triton_python: Path, address: str, part: str) -> None:
    done = subprocess.run(
        [triton_python, PROGRAM, address, part],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
