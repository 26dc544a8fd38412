"""Traces of a real server, taken by a collector over OTLP."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from harness.collector import attributes_of, collector
from harness.command_line import MANIFESTS, MODELS
from harness.up import penstock_up

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
REQUEST = {"inputs": [{"name": "x", "datatype": "INT32", "shape": [2], "data": [1, 2]}]}
SHOW = """
kind: Model
metadata: {name: show}
spec: {python: "shown:show"}
"""
SHOWN = """
from penstock.core.model import CallContext

def show(x, context: CallContext):
    return {"traceparent": [context.headers["traceparent"]]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "shown.py").write_text(SHOWN)
    (tmp_path / "served.yaml").write_text(f"{MANIFESTS}---{SHOW}")
    return tmp_path


def ask(rest: str, name: str, flags: str = "01") -> dict[str, Any]:
    request = urllib.request.Request(
        f"{rest}/v2/models/{name}/infer",
        json.dumps(REQUEST).encode(),
        {"Content-Type": "application/json", "traceparent": f"00-{TRACE}-{CALLER}-{flags}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def by_name(spans: list[Span]) -> dict[str, Span]:
    return {span.name: span for span in spans}


def test_spans_of_a_served_pipeline_reach_the_collector(folder: Path) -> None:
    with collector() as collecting:
        section = (
            f"{{endpoint: '{collecting.address}', serviceName: shop, ratio: 0,"
            " headers: {x-key: secret}}"
        )
        config = f"plugins:\n  opentelemetry: {section}\n"
        with penstock_up(folder, Path("served.yaml"), config=config) as addresses:
            ask(addresses["rest"], "pair")
            ask(addresses["rest"], "pair", flags="00")
            (output,) = ask(addresses["rest"], "show")["outputs"]
        spans = collecting.spans
    assert collecting.resource["service.name"] == "shop"
    assert collecting.metadata["x-key"] == "secret"
    names = sorted(span.name for span in spans)
    steps = ["step left", "step right", "step show", "step sum"]
    assert names == ["model show", "pipeline pair", *steps]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    request, total = by_name(spans)["pipeline pair"], by_name(spans)["step sum"]
    assert request.parent_span_id.hex() == CALLER
    assert total.parent_span_id == request.span_id
    assert attributes_of(total)["penstock.model"] == "total"
    assert abs(request.start_time_unix_nano / 1e9 - time.time()) < 600
    assert (
        request.start_time_unix_nano
        <= total.start_time_unix_nano
        <= total.end_time_unix_nano
        <= request.end_time_unix_nano
    )
    step = by_name(spans)["step show"].span_id.hex()
    assert output["data"] == [f"00-{TRACE}-{step}-01"]


def test_the_environment_alone_turns_it_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collecting:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collecting.address)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "named")
        with penstock_up(folder, Path("served.yaml")) as addresses:
            ask(addresses["rest"], "one")
        assert by_name(collecting.spans).keys() == {"model one", "step one"}
        assert collecting.resource["service.name"] == "named"


def test_a_collector_that_is_not_there_harms_nobody(folder: Path) -> None:
    config = "plugins:\n  opentelemetry: {endpoint: 'http://127.0.0.1:1', timeoutS: 1}\n"
    with penstock_up(folder, Path("served.yaml"), config=config) as addresses:
        assert ask(addresses["rest"], "pair")["outputs"][0]["data"] == [4, 6]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{endpont: 'http://a:1'}", "did you mean 'endpoint'?"),
        ("{endpoint: 'a:1'}", "endpoint"),
        ("{ratio: 2}", "plugins.opentelemetry.ratio: must be at most 1, not 2"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(folder: Path, section: str, said: str) -> None:
    (folder / "penstock.yaml").write_text(f"plugins:\n  opentelemetry: {section}\n")
    program = "import sys; from penstock.core.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "config", "check"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stdout + done.stderr
