"""``penstock replay`` of requests whose streams are topics of a real Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.cli.test_replay import MORE, PIPELINES
from acceptance.test_roles_on_kafka import streams_of, write_config
from harness.command_line import MANIFESTS, MODELS, Penstock
from harness.program import program
from integration.gateways.rig import PORTS
from penstock.transports.kafka.broker.cluster import LocalKafka

FIRST = "steps: [{name: one}, {name: last, model: picky, inputs: [one.outputs.y]}]"
RENEWED = (
    "steps: [{name: one}, {name: last, model: two, inputs: [one.outputs.y], "
    "tensorMap: {one.outputs.y: x}}]"
)
VALUES = ("[1.0]", "[2.5]", "[-9.0]")


@pytest.fixture
def served(kafka: LocalKafka, tmp_path: Path) -> Iterator[Penstock]:
    """A process with pipelines on Kafka, and a worker beside it that shares them."""
    options = streams_of(kafka)
    folder = tmp_path / "up"
    config = write_config(folder, options)
    (folder / "models.py").write_text(MODELS)
    (folder / "more.py").write_text(MORE)
    (folder / "served.yaml").write_text(f"{MANIFESTS}---\n{PIPELINES}")
    with program(folder, "up", *PORTS, "-c", config, folder / "served.yaml") as up:
        up.ready()
        follows = write_config(
            tmp_path / "others", options, gateway={"scheduler": up.addresses["grpc"]}
        )
        with program(tmp_path / "worker", "run", "dataflow", "-c", follows) as worker:
            worker.ready()
            yield Penstock(folder, up.addresses["rest"], up.addresses["grpc"])


def test_recorded_requests_are_sent_again_and_compared(served: Penstock) -> None:
    for value in VALUES:
        served("infer", "first.pipeline", "--tensor", f"x={value}:FP64", "--server", served.rest)
    listed = served("inspect", "--pipeline", "first", "-o", "json").document
    ids = [each["id"] for each in reversed(listed)]
    assert len(ids) == len(VALUES)

    same = served("replay", "first", "-o", "json")
    assert same.code == 0, same.out + same.err
    found = same.document
    assert (found["same"], found["different"], found["failed"]) == (3, 0, 0)
    assert [each["request"] for each in found["requests"]] == ids
    again = found["requests"][0]["again"]
    assert served("inspect", again, "-o", "json").document["outcome"] == "ok"

    words = [word for each in ids for word in ("--request", each)]
    other = served("replay", "first", *words, "--to", "second", "-o", "json")
    assert other.code == 1, other.err
    assert other.document["greatest"] == {"outputs.y": 2.0}

    from_last = served("replay", "first", "--request", ids[0], "--from", "last", "-o", "json")
    assert from_last.code == 0, from_last.out + from_last.err
    assert from_last.document["requests"][0]["again"] is None

    (served.folder / "renewed.yaml").write_text(PIPELINES.replace(FIRST, RENEWED))
    assert served("apply", "renewed.yaml").code == 0
    assert served("status", "--wait").code == 0
    newer = served("replay", "first", *words, "-o", "json")
    assert newer.code == 1, newer.err
    assert (newer.document["same"], newer.document["different"]) == (0, 3)
    assert newer.document["greatest"] == {"outputs.y": 1.0}
    assert newer.document["requests"][2]["differences"][0]["what"] == (
        "was failed (step-failed), is a value"
    )
