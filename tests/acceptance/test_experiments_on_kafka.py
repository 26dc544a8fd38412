"""An experiment over pipelines whose requests go through a real Kafka."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from acceptance.test_roles_on_kafka import streams_of, write_config
from harness.inference import send
from harness.program import program
from integration.gateways.rig import PORTS, get
from penstock.transports.kafka.broker.cluster import LocalKafka

pytest.importorskip("confluent_kafka", reason="penstock[kafka] is not installed")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "experiments"
ONE = {"INPUT": ("FP32", [1], [1])}


def answer_of(rest: str, location: str) -> tuple[str, dict[str, Any]]:
    with urllib.request.urlopen(f"{rest}{location}?wait=20000") as answer:
        assert answer.status == 200
        return answer.headers["x-seldon-route"], json.load(answer)


def test_requests_are_split_over_streams_and_their_way_is_in_them(
    tmp_path: Path, kafka: LocalKafka
) -> None:
    options = streams_of(kafka)
    own = write_config(tmp_path / "scheduler", options, defaults={"passedHeaders": ["x-user"]})
    manifests = (EXAMPLES / "models.yaml", EXAMPLES / "experiments.yaml")
    with program(tmp_path / "scheduler", "up", *PORTS, "-c", own, *manifests) as scheduler:
        scheduler.ready()
        follows = write_config(
            tmp_path / "others",
            options,
            gateway={"scheduler": scheduler.addresses["grpc"]},
            defaults={"passedHeaders": ["x-user"]},
        )
        words = ("run", "pipeline-gateway", *PORTS, "-c", follows)
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
            gateway.stop()
        scheduler.stop()
