"""The OpenAPI document is true: schemathesis asks all that it allows, and finds nothing else.

No status 500, no answer that is not documented, no path that takes another method.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from fakes.control import FakeControlPlane, resource
from fakes.gateway import FakeGateway
from harness.rest_server import serving
from penstock.core.contracts.control import WatchEvent
from penstock.core.contracts.frontend import FrontEndContext
from penstock.core.contracts.page import PageContent
from penstock.core.errors import NotFoundError
from penstock.core.inference import InferenceRequest
from penstock.core.journal.tap import Tap
from penstock.core.records import Failed
from penstock.core.signature import Signature, TensorSpec
from penstock.testing.scripts import tensor

# What a tensor must be, JSON Schema cannot say (data has as many values as the shape wants), so
# that what the document allows may still be refused.
EXCLUDED = "positive_data_acceptance"

# Headers that nobody knows count as wrong there, and are passed over here as everywhere.
EXCLUDED_FOR_KNOWN_NAMES = f"{EXCLUDED},negative_data_rejection"

NAMES_THAT_ARE_THERE = """
[parameters]
"path.model" = "echo"
"path.version" = "1"
"path.pipeline" = "flow"
"path.kind" = "Model"
"path.name" = "scale"
"path.request" = "flow-1"
"path.number" = "1"
"path.port" = "flow"
"path.file" = "a.js"
"header.seldon-model" = "echo"
"header.penstock-target" = "flow.pipeline"
"""


class EndingControlPlane(FakeControlPlane):
    """A control plane whose watches end, so that an answer to them can be read whole."""

    async def watch(self, kind: str | None, from_revision: int) -> AsyncIterator[WatchEvent]:
        for document in self.list(kind):
            yield WatchEvent(1, "put", document)


class EndingGateway(FakeGateway):
    """Taps on it end as well."""

    def follow(self, tap: Tap) -> None:
        super().follow(tap)
        tap.end(NotFoundError("the pipeline was deleted"))


def one_file(path: Mapping[str, str]) -> PageContent:
    """A page with a placeholder."""
    if path["file"] != "a.js":
        raise NotFoundError("there is no such file")
    return PageContent("text/javascript", b"1", {"etag": '"one"'})


def make_context() -> FrontEndContext:
    gateway = EndingGateway()
    gateway.add("echo").signature = Signature((TensorSpec("x", "FP32", ("n", 4)),), None)
    request = InferenceRequest(None, (tensor("x"),))
    gateway.add("flow", kind="pipeline").accept(request, {})
    gateway.letters.put("flow-0", "flow", 1, Failed("step-failed", "no"), 0.0, request, {})
    control = EndingControlPlane()
    control.put(resource("Model", "scale"))
    control.put({**resource("Pipeline", "flow"), "spec": {"steps": [{"name": "echo"}]}})
    pages = {
        "/metrics": lambda path: PageContent("text/plain", b"up 1\n"),
        "/files/{file}": one_file,
    }
    return FrontEndContext(gateway, control, pages, desk=gateway.desk)


@pytest.mark.parametrize(
    ("config", "excluded"),
    [
        pytest.param("", EXCLUDED, id="any-names"),
        pytest.param(NAMES_THAT_ARE_THERE, EXCLUDED_FOR_KNOWN_NAMES, id="known-names"),
    ],
)
def test_schemathesis_finds_nothing(tmp_path: Path, config: str, excluded: str) -> None:
    (tmp_path / "schemathesis.toml").write_text(config)
    with serving(make_context) as address:
        command = [str(Path(sys.executable).parent / "st"), "run", f"{address}/openapi.json"]
        options = ["--checks=all", f"--exclude-checks={excluded}", "--max-examples=20"]
        done = subprocess.run(
            [
                *command,
                *options,
                "--no-color",
                "--warnings=off",
                "--seed=1",
                "--request-timeout=20",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
