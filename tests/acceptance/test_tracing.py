"""Traces of a real server, taken by a collector over OTLP."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from harness.collector import attributes_of, collector
from harness.command_line import MANIFESTS, MODELS
from harness.program import PROGRAM, Program, program
from harness.up import penstock_up
from penstock.transports.kafka.broker.cluster import LocalKafka

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


LAYOUTS = ("fused", "spread", "direct")


def laid_out(layout: str) -> str:
    return (
        f"kind: Pipeline\nmetadata: {{name: {layout}}}\nspec: {{layout: {layout}, "
        "steps: [{name: show, retries: 1}], output: {steps: [show]}}\n"
    )


def path_of(spans: list[Span], last: Span) -> list[str]:
    """The names of a span and of those that it hangs below, the first one first."""
    known = {span.span_id: span for span in spans}
    path = [last]
    while path[0].parent_span_id in known:
        path.insert(0, known[path[0].parent_span_id])
    assert path[0].parent_span_id.hex() == CALLER
    return [f"{span.name} ({Span.SpanKind.Name(span.kind)[10:].lower()})" for span in path]


def test_one_trace_leads_through_streams_and_agents(tmp_path: Path, kafka: LocalKafka) -> None:
    with collector() as collecting, ExitStack() as running:
        transport = {
            "kind": "kafka",
            "bootstrapServers": kafka.bootstrap_servers,
            "namespace": f"test-{secrets.token_hex(4)}",
        }
        plugins = {"opentelemetry": {"endpoint": collecting.address}}
        settings: dict[str, Any] = {"transport": transport, "plugins": plugins}

        def start(*roles: str) -> Program:
            folder = tmp_path / "-".join(roles)
            folder.mkdir()
            (folder / "penstock.yaml").write_text(json.dumps(settings))
            words = ("run", *roles, "-c", "penstock.yaml", "--rest-port", "0", "--grpc-port", "0")
            return running.enter_context(program(folder, *words))

        scheduler = start("scheduler")
        at = {"scheduler": scheduler.grpc}
        settings |= {"gateway": at, "agent": at}
        followers = [start(role) for role in ("agent", "dataflow", "model-gateway")]
        gateway = start("pipeline-gateway")
        (tmp_path / "shown.py").write_text(SHOWN)
        served = tmp_path / "served.yaml"
        served.write_text("---\n".join([SHOW, *map(laid_out, LAYOUTS)]))
        for words in (("apply", str(served)), ("status", "--wait")):
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, *words, "--server", scheduler.grpc],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        shown = {}
        for layout in LAYOUTS:
            ask(gateway.addresses["rest"], layout, flags="00")
            (output,) = ask(gateway.addresses["rest"], layout)["outputs"]
            shown[layout] = output["data"][0].split("-")[2]
        for each in (gateway, *followers[::-1], scheduler):
            each.stop()
        spans = collecting.spans
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    last = {span.span_id.hex(): span for span in spans}
    paths = {layout: path_of(spans, last[shown[layout]]) for layout in LAYOUTS}
    on_agent = ["model show_1 (server)", "step show_1 (internal)"]
    assert paths == {
        "fused": [
            "pipeline fused (server)",
            "pipeline fused (consumer)",
            "step show (internal)",
            *on_agent,
        ],
        "spread": [
            "pipeline spread (server)",
            "pipeline spread (consumer)",
            "step show (internal)",
            "pipeline spread (consumer)",
            "step show (internal)",
            *on_agent,
        ],
        "direct": ["pipeline direct (server)", "step show (internal)", *on_agent],
    }
    assert len(spans) == sum(map(len, paths.values()))
