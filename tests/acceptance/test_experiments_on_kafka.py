"""An experiment over pipelines whose requests go through a real Kafka."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from acceptance.test_roles_on_kafka import streams_of, write_config
from harness.inference import send
from harness.program import program
from integration.gateways.rig import PATIENCE_S, PORTS, get
from penstock.transports.kafka.broker.cluster import LocalKafka

pytest.importorskip("confluent_kafka", reason="penstock[kafka] is not installed")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "experiments"
ONE = {"INPUT": ("FP32", [1], [1])}
TRIAL = """
kind: Pipeline
metadata: {name: quote-broken}
spec: {steps: [{name: price-broken}], output: {steps: [price-broken]}}
---
apiVersion: penstock.io/v1
kind: Experiment
metadata: {name: trial}
spec:
  resourceType: pipeline
  candidates: [{name: quote, weight: 50}, {name: quote-broken, weight: 50}]
  guard: {maxErrorRate: 0.2, minRequests: 20}
"""
POSTED = 60


def answer_of(rest: str, location: str) -> tuple[str, dict[str, Any]]:
    with urllib.request.urlopen(f"{rest}{location}?wait=20000") as answer:
        assert answer.status == 200
        return answer.headers["x-seldon-route"], json.load(answer)


def send_for(url: str) -> dict[str, Any]:
    """The document of a page."""
    _, text = asyncio.run(get(url))
    document: dict[str, Any] = json.loads(text)
    return document


def settled(rest: str) -> str:
    """Wait until a guard has rolled the trial back; its sentence."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        document = send_for(f"{rest}/v1/resources/Experiment/trial")
        for each in document["status"]["conditions"]:
            if each["type"] == "Settled":
                return str(each["message"])
        time.sleep(0.1)
    raise TimeoutError("nothing is settled")


def counted(rest: str) -> dict[str, Any]:
    """Wait for a report of the trial of all that was posted."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        report = send_for(f"{rest}/v1/experiments/trial/report")
        if sum(arm["requests"] for arm in report["arms"]) >= POSTED:
            return report
        time.sleep(0.1)
    raise TimeoutError("not all is counted")


def test_requests_are_split_over_streams_and_their_way_is_in_them(
    tmp_path: Path, kafka: LocalKafka
) -> None:
    options = streams_of(kafka)
    own = write_config(tmp_path / "scheduler", options, defaults={"passedHeaders": ["x-user"]})
    (tmp_path / "trial.yaml").write_text(TRIAL)
    manifests = (EXAMPLES / "models.yaml", EXAMPLES / "experiments.yaml", tmp_path / "trial.yaml")
    with program(tmp_path / "scheduler", "up", *PORTS, "-c", own, *manifests) as scheduler:
        scheduler.ready()
        follows = write_config(
            tmp_path / "others",
            options,
            gateway={"scheduler": scheduler.addresses["grpc"]},
            defaults={"passedHeaders": ["x-user"]},
        )
        words = ("run", "pipeline-gateway", "dataflow", *PORTS, "-c", follows)
        with program(tmp_path / "gateway", *words) as gateway:
            gateway.ready()
            rest = gateway.addresses["rest"]
            asyncio.run(get(f"{rest}/v2/models/quotes.experiment/ready"))
            taken: Counter[str] = Counter()
            for _ in range(40):
                reply = send(rest, "/v2/models/quotes.experiment/infer", ONE)
                assert reply.status == 200, reply.document
                way = reply.headers["penstock-route"]
                assert way == f":quotes.{reply.document['model_name']}:"
                taken[way] += 1
            assert set(taken) == {":quotes.quote:", ":quotes.quote-new:"}

            wanted = {"x-seldon-route": ":quotes.quote-new:"}
            for headers in (None, wanted, wanted):
                at_once = send(rest, "/v2/pipelines/quotes.experiment/requests", ONE, headers)
                assert at_once.status == 202, at_once.document
                way, document = answer_of(rest, at_once.headers["location"])
                assert way == at_once.headers["x-seldon-route"]
                assert way == f":quotes.{document['model_name']}:"
                if headers is not None:
                    assert way == wanted["x-seldon-route"]
            # Whoever follows the same streams finds the answer, and its way.
            there = scheduler.addresses["rest"]
            assert answer_of(there, at_once.headers["location"]) == (way, document)

            # Whichever of the two workers ends a request that nobody waits for, it is counted.
            for _ in range(POSTED):
                posted = send(rest, "/v2/pipelines/trial.experiment/requests", ONE)
                assert posted.status == 202, posted.document
            assert "arm 'quote-broken': 100.0% of " in settled(there)
            gateway.stop()
            report = counted(there)
            assert sum(arm["requests"] for arm in report["arms"]) == POSTED
            assert [arm["failures"] for arm in report["arms"]] == [0, report["arms"][1]["requests"]]
        scheduler.stop()
