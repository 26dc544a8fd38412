"""``penstock up --workers``: several processes behind one address, and what people see of them."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from harness.inference import fetch, send
from harness.program import Program, program
from penstock.core.identity import worker_of
from penstock.proto import open_inference_pb2 as v2
from penstock.proto import requests_pb2 as requests
from penstock.proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from penstock.proto.requests_pb2_grpc import RequestsStub
from penstock.transports.kafka.broker.cluster import LocalKafka

ENOUGH = 16
"""So many connections that the kernel gives both workers one, but for once in 30,000 times."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads connections")

MODELS = """\
import asyncio
import os
import time

import penstock

def where(x):
    return {"y": x * 2, "pid": [os.getpid()]}

async def slow(x):
    await asyncio.sleep(3.0)
    return {"y": x}

def add(amount, rate=None):
    return {"due": amount * (1 if rate is None else rate)}

def broken(x):
    raise RuntimeError("it is broken")

def busy(x):
    time.sleep(0.02)
    return {"y": x, "pid": [os.getpid()]}

class Unlicensed:
    def load(self, context):
        if not os.path.exists("licence"):
            raise penstock.Retriable("it has no licence")

    def predict(self, x):
        return {"y": x}
"""

MANIFESTS = """\
kind: Model
metadata: {name: where}
spec: {python: "models:where"}
---
kind: Model
metadata: {name: slow}
spec: {python: "models:slow"}
---
kind: Model
metadata: {name: alone}
spec: {python: "models:where", replicas: 1}
---
kind: Server
metadata: {name: shared}
spec: {serverConfig: inprocess}
---
kind: Model
metadata: {name: elsewhere}
spec: {python: "models:where", server: shared}
---
kind: Model
metadata: {name: grows}
spec: {python: "models:busy", execution: thread, minReplicas: 1, maxReplicas: 2}
---
kind: Model
metadata: {name: sleepy}
spec: {python: "models:where", replicas: 1, minReplicas: 0}
---
kind: Model
metadata: {name: unlicensed}
spec: {python: "models:Unlicensed", replicas: 1, minReplicas: 0}
---
kind: Model
metadata: {name: broken}
spec: {python: "models:broken"}
---
kind: Pipeline
metadata: {name: p}
spec:
  steps:
  - {name: where}
  output: {steps: [where]}
---
kind: Pipeline
metadata: {name: waits}
spec:
  steps:
  - {name: slow}
  output: {steps: [slow]}
---
kind: Pipeline
metadata: {name: far}
spec:
  steps:
  - {name: alone}
  output: {steps: [alone]}
---
kind: Pipeline
metadata: {name: fails}
spec:
  steps:
  - {name: broken}
  output: {steps: [broken]}
---
kind: Model
metadata: {name: add}
spec: {python: "models:add"}
---
kind: Pipeline
metadata: {name: rates}
spec:
  input: {key: currency}
  steps:
  - name: add
    inputs: [rates.inputs.amount, rates.inputs.rate]
    inputsJoinType: {name: latest, missing: run}
  output: {steps: [add]}
---
kind: Pipeline
metadata: {name: counted}
spec:
  input: {key: customer}
  steps:
  - name: where
    inputs: [counted.inputs.x]
  output: {steps: [where], order: key}
"""

X = {"x": ("FP32", [1], [3])}

SCALED = {
    "scheduler": {
        "agents": {"beatMs": 100},
        "autoscaling": {
            "everyMs": 50,
            "idleMs": 400,
            "downWindowMs": 500,
            "coolDownMs": 0,
            "maxHeld": 5,
        },
    }
}
"""How models are scaled, in less time than usual."""


class Up:
    """A running command, and what is asked of it."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.rest = program.addresses["rest"]

    def get(self, path: str) -> Any:
        return fetch(self.rest, path)

    def text(self, path: str) -> str:
        place = urlsplit(self.rest)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def asked(self, path: str) -> tuple[int, str]:
        """The status at a path, and the code of its error."""
        place = urlsplit(self.rest)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, json.load(answer).get("code", "")
        finally:
            connection.close()

    def infer(self, name: str, tensors: Any = X) -> Any:
        status, _, answer = send(self.rest, f"/v2/models/{name}/infer", tensors)
        assert status == 200, answer
        return {each["name"]: each["data"] for each in answer["outputs"]}

    def pids(self) -> set[int]:
        """Those of the workers that answer now."""
        return {self.infer("p")["pid"][0] for _ in range(40)}

    def submit(self, pipeline: str) -> str:
        status, headers, answer = send(self.rest, f"/v2/pipelines/{pipeline}/requests", X)
        assert status == 202, answer
        return str(headers["location"])

    def copies(self, model: str) -> int:
        """How many copies of a model that is scaled by its load were loaded at the last look."""
        looked_at = {each["model"]: each["load"] for each in self.get("/v1/scaling")["models"]}
        return int(looked_at[model]["ready"])

    def run(self, *words: str) -> str:
        """A command of penstock against it."""
        code = "import sys; from penstock.core.cli import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--server", self.program.grpc],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def started(folder: Path, workers: int = 2, config: str = "") -> Iterator[Up]:
    folder.mkdir(exist_ok=True)
    (folder / "licence").touch()
    (folder / "models.py").write_text(MODELS)
    (folder / "served.yaml").write_text(MANIFESTS)
    (folder / "penstock.yaml").write_text(config)
    words = ["--rest-port", "0", "--grpc-port", "0", "-c", "penstock.yaml"]
    with program(folder, "up", *words, "--workers", str(workers), "served.yaml") as up:
        up.ready()
        running = Up(up, folder)
        # It is ready with one copy of each model.
        eventually(lambda: "2 of 2" in running.run("explain", "where"))
        eventually(lambda: len(running.pids()) == workers)
        yield running


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("workers") / "up"
    with started(folder, config=json.dumps(SCALED)) as running:
        yield running
        running.program.stop()


def eventually(look: Callable[[], bool], within_s: float = 20.0) -> None:
    """What comes about in other processes, and says so to nobody."""
    end = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.05)


class Load:
    """Callers over connections that they keep, each with one request at a time."""

    def __init__(self, up: Up, path: str, callers: int = 8) -> None:
        self._place = urlsplit(up.rest)
        self._path = path
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(callers)]
        self.answers: Counter[int | str] = Counter()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def after(self, more: int) -> None:
        """Wait until so many more have been answered."""
        before = self.answers[200]
        eventually(lambda: self.answers[200] >= before + more, 60.0)

    def _call(self) -> None:
        body = json.dumps(
            {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [3]}]}
        )
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            if connection is None:
                connection = http.client.HTTPConnection(
                    self._place.hostname or "", self._place.port, timeout=30
                )
            try:
                connection.request("POST", self._path, body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                self.answers[answer.status] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[type(error).__name__] += 1
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def test_connections_come_to_all_workers_and_each_calls_its_own_copy(up: Up) -> None:
    assert len(up.pids()) == 2
    # A model that says how many copies it has is called where it is.
    assert len({up.infer("far")["pid"][0] for _ in range(20)}) == 1
    assert {up.infer("where")["pid"][0] for _ in range(40)} == up.pids()


def test_a_server_of_its_own_is_started_once_and_called_by_all(up: Up) -> None:
    pids = {up.infer("elsewhere")["pid"][0] for _ in range(20)}
    assert len(pids) == 1
    assert not pids & up.pids()
    assert "1 of 1 replicas are loaded\n" in up.run("explain", "elsewhere")
    assert "loaded, over all 2 workers, at most one in each\n" in up.run("explain", "where")


def test_there_is_one_status(up: Up) -> None:
    for _ in range(6):
        status = up.run("status")
        assert "no" not in status.split(), status
        assert "2 of 2" in up.run("explain", "where")
        assert "1 of 1" in up.run("explain", "alone")
    assert up.get("/v1/resources/pipeline/p")["status"]["version"] == 1
    assert "listResources" in up.get("/")["links"]
    assert "/v1/resources" in up.get("/openapi.json")["paths"]


def test_there_is_one_page_of_metrics(up: Up) -> None:
    up.pids()
    page = up.text("/metrics")
    counts = re.findall(
        r'penstock_pipeline_requests_total\{worker="(\w+)",pipeline="p",code="ok"\} (\d+)', page
    )
    assert {name for name, _ in counts} == {"1", "2"}
    again = sum(
        int(count)
        for count in re.findall(
            r'penstock_pipeline_requests_total\{worker="\w+",pipeline="p",code="ok"\} (\d+)',
            up.text("/metrics"),
        )
    )
    assert again == sum(int(count) for _, count in counts)
    assert 'process_resident_memory_bytes{worker="scheduler"}' in page
    assert page.count("# TYPE penstock_pipeline_requests_total") == 1
    [of_p] = [each for each in up.get("/console/figures")["pipelines"] if each["name"] == "p"]
    assert of_p["answers"] == {"ok": again}


def test_asynchronous_results_are_found_by_whoever_is_asked(up: Up) -> None:
    places = [up.submit("p") for _ in range(ENOUGH)]
    assert {worker_of(place.rpartition("/")[2]) for place in places} == {1, 2}
    for place in places:
        for _ in range(4):
            assert up.get(f"{place}?wait=5000")["outputs"][0]["data"] == [6.0]
        assert "event: end" in up.text(f"{place}/events")
        identity = place.rpartition("/")[2]
        assert up.get(f"/v1/requests/{identity}")["id"] == identity


async def test_the_same_over_grpc(up: Up) -> None:
    tensor = v2.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1])
    tensor.contents.fp32_contents.append(3)
    asked = v2.ModelInferRequest(model_name="waits", inputs=[tensor])
    # Connections of their own, so that the kernel spreads them.
    own = [("grpc.use_local_subchannel_pool", 1)]
    identities = []
    for _ in range(ENOUGH):
        async with grpc.aio.insecure_channel(up.program.grpc, own) as channel:
            submitted = await RequestsStub(channel).Submit(requests.SubmitRequest(request=asked))
            identities.append(submitted.request)
    assert {worker_of(each) for each in identities} == {1, 2}
    for identity in identities:
        async with grpc.aio.insecure_channel(up.program.grpc, own) as channel:
            stub = RequestsStub(channel)
            answer = await stub.Fetch(requests.FetchRequest(request=identity, wait_ms=5000))
            assert answer.response.model_name == "waits"
            following = stub.Follow(requests.FollowRequest(request=identity))
            events = [event async for event in following]
            assert events[-1].event == requests.FollowResponse.EVENT_END
    async with grpc.aio.insecure_channel(up.program.grpc, own) as channel:
        index = await GRPCInferenceServiceStub(channel).RepositoryIndex(v2.RepositoryIndexRequest())
        assert "where_1" not in {each.name for each in index.models}


def test_lists_and_dead_letters_come_from_all(up: Up) -> None:
    made = [up.submit("fails").rpartition("/")[2] for _ in range(6)]
    eventually(
        lambda: set(made) <= {each["id"] for each in up.get("/v1/deadletters")["dead_letters"]}
    )
    listed = [each["id"] for each in up.get("/v1/requests?pipeline=fails")["requests"]]
    assert listed[:6] == made[::-1]
    letters = {each["id"]: each["number"] for each in up.get("/v1/deadletters")["dead_letters"]}
    for identity in made:
        for _ in range(3):
            assert up.get(f"/v1/deadletters/{letters[identity]}")["id"] == identity
    status, _, again = send(up.rest, f"/v1/deadletters/{letters[made[0]]}/send", {})
    assert status == 202
    assert again["id"] not in made
    assert made[0] not in {each["id"] for each in up.get("/v1/deadletters")["dead_letters"]}


def test_a_request_is_where_its_key_is(up: Up) -> None:
    places: dict[str, set[int]] = {}
    for customer in "abcdefgh":
        tensors = {**X, "customer": ("BYTES", [1], [customer])}
        places[customer] = {up.infer("counted", tensors)["pid"][0] for _ in range(8)}
    assert all(len(pids) == 1 for pids in places.values()), places
    assert len(set.union(*places.values())) == 2
    status, _, answer = send(up.rest, "/v2/models/counted/infer", X)
    assert (status, answer["code"]) == (400, "invalid-request")


def check_state_of_keys(up: Up) -> None:
    """What is kept for a key is what one process would have kept."""
    wrong: list[object] = []

    def trade(currency: str) -> None:
        key = ("BYTES", [1], [currency])
        for rate in range(1, 12):
            # Each request is a connection of its own, and comes to whichever worker.
            send(
                up.rest, "/v2/models/rates/infer", {"currency": key, "rate": ("FP32", [1], [rate])}
            )
            amount = {"currency": key, "amount": ("FP32", [1], [10])}
            due = up.infer("rates", amount)["due"]
            if due != [10.0 * rate]:
                wrong.append((currency, rate, due))

    traders = [threading.Thread(target=trade, args=(f"c{number}",)) for number in range(8)]
    for trader in traders:
        trader.start()
    for trader in traders:
        trader.join(60)
    assert not wrong


def test_state_of_keys_is_what_one_process_would_have(up: Up) -> None:
    check_state_of_keys(up)


def test_a_copy_comes_to_another_worker_with_load_and_goes_after_it(up: Up) -> None:
    assert up.copies("grows") == 1
    with Load(up, "/v2/models/grows/infer") as load:
        eventually(lambda: up.copies("grows") == 2)
        eventually(lambda: {up.infer("grows")["pid"][0] for _ in range(20)} == up.pids())
    eventually(lambda: up.copies("grows") == 1)
    assert set(load.answers) == {200}


def test_a_model_that_is_asleep_is_woken_by_whatever_worker_is_called(up: Up) -> None:
    eventually(lambda: up.copies("sleepy") == 0)
    with ThreadPoolExecutor(5) as callers:
        answers = list(callers.map(lambda _: up.infer("sleepy")["y"], range(5)))
    assert answers == [[6.0]] * 5


def test_calls_that_wait_are_bounded_over_all_workers_and_end_with_the_reason(up: Up) -> None:
    licence = up.folder / "licence"
    eventually(lambda: up.copies("unlicensed") == 0)
    licence.unlink()

    def ask(_: int) -> tuple[str, str]:
        # Time for the worker that loads it to fail, and for the others to hear of that.
        timeout = {"x-penstock-timeout-ms": "6000"}
        answer = send(up.rest, "/v2/models/unlicensed/infer", X, timeout).document
        return answer["code"], answer["error"]

    with ThreadPoolExecutor(12) as callers:
        answers = list(callers.map(ask, range(12)))
    assert Counter(code for code, _ in answers) == {"deadline": 5, "overloaded": 7}
    late = [said for code, said in answers if code == "deadline"]
    assert all("it has no licence" in said for said in late), late
    licence.touch()


def test_a_killed_worker_is_replaced_without_the_others_noticing(tmp_path: Path) -> None:
    with started(tmp_path / "up") as up:
        before = up.pids()
        kept = [up.submit("p") for _ in range(ENOUGH)]
        callers = 8
        # Calls that nobody remembers, so that those that are kept stay kept.
        with Load(up, "/v2/models/where/infer", callers) as load:
            load.after(200)
            victim = min(before)
            os.kill(victim, signal.SIGKILL)
            load.after(500)
            eventually(lambda: len(up.pids() - before) == 1, 60.0)
            load.after(200)
        refused = {what: count for what, count in load.answers.items() if what != 200}
        # Whoever had a request under way there, or a connection that nobody had taken up yet.
        assert sum(refused.values()) <= 2 * callers, load.answers
        assert all(isinstance(what, str) for what in refused), load.answers
        assert "no" not in up.run("status", "--wait").split()
        eventually(lambda: "2 of 2" in up.run("explain", "where"))
        # What it had is lost, and that is said; the other's is there.
        outcomes = Counter(up.asked(f"{place}?wait=1000") for place in kept)
        assert set(outcomes) == {(200, ""), (503, "lost")}, outcomes
        up.program.stop()


def test_a_version_rolls_under_load_and_nothing_is_dropped(tmp_path: Path) -> None:
    with started(tmp_path / "up") as up, Load(up, "/v2/models/p/infer") as load:
        load.after(100)
        for version in (2, 3):
            text = MANIFESTS.split("---")[0].replace("spec: {", f"spec: {{memory: {version}Mi, ")
            (tmp_path / "up" / "next.yaml").write_text(text)
            up.run("apply", str(tmp_path / "up" / "next.yaml"))
            up.run("status", "--wait")
            load.after(200)
        assert up.get("/v1/resources/model/where")["status"]["version"] == 3
        eventually(lambda: len(up.pids()) == 2)
    assert set(load.answers) == {200}, load.answers


def test_a_stop_answers_what_is_under_way(tmp_path: Path) -> None:
    with started(tmp_path / "up") as up:
        replies: list[int] = []

        def ask() -> None:
            replies.append(send(up.rest, "/v2/models/waits/infer", X).status)

        callers = [threading.Thread(target=ask) for _ in range(6)]
        for caller in callers:
            caller.start()
        under_way = re.compile(r'^penstock_pipeline_requests_in_flight{.*"waits"} (\d+)$', re.M)
        eventually(lambda: sum(map(int, under_way.findall(up.text("/metrics")))) == 6)
        up.program.stop()
        for caller in callers:
            caller.join(30)
        assert replies == [200] * 6


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    with started(tmp_path / "up") as up:
        pids = up.pids()
        up.program.kill()
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 40.0)


def test_a_port_that_is_taken_is_refused(up: Up, tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    code = "import sys; from penstock.core.cli import main; sys.exit(main())"
    port = str(urlsplit(up.rest).port)
    for more in ([], ["--workers", "2"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "up", "--rest-port", port, "--grpc-port", "0", *more],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert "taken; choose another" in done.stderr


@pytest.fixture
def on_kafka(kafka: LocalKafka, tmp_path: Path) -> Iterator[Up]:
    transport = {
        "kind": "kafka",
        "bootstrapServers": kafka.bootstrap_servers,
        "namespace": f"test-{secrets.token_hex(4)}",
    }
    config = {"transport": transport, "dataflow": {"partitions": 8}}
    with started(tmp_path / "up", config=json.dumps(config)) as running:
        yield running


def test_workers_over_kafka_share_pipelines_behind_one_address(on_kafka: Up) -> None:
    up = on_kafka
    places = [up.submit("p") for _ in range(8)]
    for place in places:
        for _ in range(4):
            assert up.get(f"{place}?wait=5000")["outputs"][0]["data"] == [6.0]
        identity = place.rpartition("/")[2]
        assert up.get(f"/v1/requests/{identity}")["id"] == identity
    assert {each["id"] for each in up.get("/v1/requests?pipeline=p")["requests"]} >= {
        place.rpartition("/")[2] for place in places
    }
    failed = up.submit("fails").rpartition("/")[2]
    eventually(lambda: failed in {each["id"] for each in up.get("/v1/deadletters")["dead_letters"]})
    check_state_of_keys(up)
    assert "no" not in up.run("status", "--wait").split()
    up.program.stop()
    assert "ERROR" not in up.program.logged()


def test_a_killed_worker_over_kafka_loses_nothing_that_was_accepted(on_kafka: Up) -> None:
    up = on_kafka
    before = up.pids()
    kept = [up.submit("p") for _ in range(ENOUGH)]
    callers = 8
    with Load(up, "/v2/models/p/infer", callers) as load:
        load.after(100)
        os.kill(min(before), signal.SIGKILL)
        load.after(200)
        eventually(lambda: len(up.pids() - before) == 1, 60.0)
        load.after(100)
    refused = {what: count for what, count in load.answers.items() if what != 200}
    # Connections to the one that was killed; whose requests the others go on with.
    assert sum(refused.values()) <= 2 * callers, load.answers
    assert all(isinstance(what, str) for what in refused), load.answers
    for place in kept:
        assert up.get(f"{place}?wait=5000")["outputs"][0]["data"] == [6.0]
