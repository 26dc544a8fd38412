"""The experiments of ``examples/experiments``, over REST and gRPC: on one process, on several
behind one address, and on a gateway that follows a scheduler elsewhere."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from harness.inference import Reply, fetch, send
from harness.program import program
from harness.up import penstock_up
from integration.gateways.rig import PORTS, get
from penstock.proto import open_inference_pb2 as pb
from penstock.proto import requests_pb2 as requests_pb

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "experiments"
MANIFESTS = (EXAMPLES / "models.yaml", EXAMPLES / "experiments.yaml")
CONFIG = "defaults: {passedHeaders: [x-user]}"
ONE = {"INPUT": ("FP32", [1], [1])}
PRICES = {"price": 11.0, "price-new": 21.0, "price-newest": 31.0, "quote": 11.0, "quote-new": 21.0}


@pytest.fixture(scope="module", params=["one process", "two workers", "a gateway elsewhere"])
def server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Mapping[str, str]]:
    folder = tmp_path_factory.mktemp("experiments")
    with ExitStack() as running:
        workers = 2 if request.param == "two workers" else None
        up = penstock_up(folder, *MANIFESTS, config=CONFIG, workers=workers)
        addresses = running.enter_context(up)
        if request.param == "a gateway elsewhere":
            words = ("run", "gateway", "--scheduler", addresses["grpc"], *PORTS)
            config = folder / "penstock.yaml"
            gateway = running.enter_context(program(folder / "gateway", *words, "-c", config))
            gateway.ready()
            addresses = gateway.addresses
            asyncio.run(get(f"{addresses['rest']}/v2/models/all-prices.experiment/ready"))
        yield addresses


@pytest.fixture(scope="module")
def rest(server: Mapping[str, str]) -> str:
    return server["rest"]


def ask(rest: str, name: str, headers: Mapping[str, str] | None = None) -> Reply:
    reply = send(rest, f"/v2/models/{name}/infer", ONE, headers)
    assert reply.status == 200, reply.document
    # Whoever was chosen is who has answered.
    [output] = reply.document["outputs"]
    assert output["data"] == [PRICES[reply.document["model_name"]]]
    assert reply.headers["penstock-route"] == reply.headers["x-seldon-route"]
    return reply


def asked(
    rest: str, name: str, times: int = 60, headers: Mapping[str, str] | None = None
) -> Counter[str]:
    """How often each way was taken."""
    return Counter(ask(rest, name, headers).headers["penstock-route"] for _ in range(times))


def test_the_default_is_split_under_both_its_names_and_the_experiments(rest: str) -> None:
    for name in ("price", "price.model", "price.experiment"):
        taken = asked(rest, name, 100)
        assert set(taken) == {":price.price:", ":price.price-new:"}
        assert taken[":price.price:"] > 55


def test_a_step_that_calls_the_default_is_not_split(rest: str) -> None:
    for _ in range(40):
        reply = send(rest, "/v2/models/quote/infer", ONE)
        assert reply.document["outputs"][0]["data"] == [11.0]
        assert "penstock-route" not in reply.headers


def test_one_user_always_gets_the_same(rest: str) -> None:
    users = [
        set(asked(rest, "by-user.experiment", 4, {"x-user": f"user-{number}"}))
        for number in range(16)
    ]
    assert all(len(ways) == 1 for ways in users)
    assert set.union(*users) == {":by-user.price:", ":by-user.price-new:"}


def test_a_browser_keeps_its_way(rest: str) -> None:
    first = ask(rest, "quotes.experiment")
    cookie = first.headers["set-cookie"]
    assert cookie.endswith("; Path=/v2; HttpOnly; SameSite=Lax")
    way = first.headers["penstock-route"]
    sent = {"cookie": f"other=1; {cookie.partition(';')[0]}; more=2"}
    assert set(asked(rest, "quotes.experiment", 30, sent)) == {way}
    assert "set-cookie" not in ask(rest, "price").headers


@pytest.mark.parametrize("header", ["x-seldon-route", "penstock-route"])
def test_a_way_is_taken_again_through_nested_experiments(rest: str, header: str) -> None:
    ways = set(asked(rest, "all-prices.experiment", 80))
    assert ways == {
        ":all-prices.old-prices:old-prices.price:",
        ":all-prices.new-prices:new-prices.price-new:",
        ":all-prices.new-prices:new-prices.price-newest:",
    }
    for way in ways:
        assert set(asked(rest, "all-prices.experiment", 15, {header: way})) == {way}


def test_a_way_that_leads_nowhere_is_chosen_anew_or_refused(rest: str) -> None:
    lost = {"x-seldon-route": ":old-times.x:"}
    assert len(asked(rest, "price", 60, lost)) == 2
    strict = lost | {"x-penstock-route-strict": "true"}
    status, _, said = send(rest, "/v2/models/price/infer", ONE, strict)
    assert (status, said["code"]) == (400, "invalid-request")
    assert "the ways are :price.price:, :price.price-new:" in said["error"]


def test_an_experiment_is_asked_about_like_a_model(rest: str) -> None:
    about = fetch(rest, "/v2/models/quotes.experiment")
    assert (about["name"], about["platform"]) == ("quotes", "penstock_experiment")
    assert [each["name"] for each in about["outputs"]] == ["OUTPUT"]
    assert fetch(rest, "/v2/models/quotes.experiment/ready")["ready"] is True
    status, _, said = send(rest, "/v2/models/quote.experiment/infer", ONE)
    assert (status, said["code"]) == (404, "not-found")
    assert "did you mean 'quotes'" in said["error"]


def test_the_header_goes_before_the_path(rest: str) -> None:
    reply = send(rest, "/v2/models/quote/infer", ONE, {"seldon-model": "quotes.experiment"})
    assert reply.headers["penstock-route"].startswith(":quotes.")


class Later(NamedTuple):
    """What is said of a request that nobody waits for, at once and when it is answered."""

    at_once: Reply
    route: str
    document: dict[str, Any]


def later(rest: str, headers: Mapping[str, str] | None = None) -> Later:
    taken = send(rest, "/v2/pipelines/quotes.experiment/requests", ONE, headers)
    assert taken.status == 202, taken.document
    with urllib.request.urlopen(f"{rest}{taken.headers['location']}?wait=10000") as answer:
        assert answer.status == 200
        return Later(taken, answer.headers["x-seldon-route"], json.load(answer))


def test_requests_that_nobody_waits_for_are_split_and_keep_their_way(rest: str) -> None:
    ways = set()
    for _ in range(30):
        said = later(rest)
        assert said.at_once.headers["penstock-route"] == said.route
        assert said.route == f":quotes.{said.document['model_name']}:"
        ways.add(said.route)
    assert ways == {":quotes.quote:", ":quotes.quote-new:"}
    wanted = {"x-seldon-route": ":quotes.quote-new:"}
    assert {later(rest, wanted).route for _ in range(10)} == {":quotes.quote-new:"}


def test_models_have_no_such_requests(rest: str) -> None:
    status, _, said = send(rest, "/v2/pipelines/by-user.experiment/requests", ONE)
    assert (status, said["code"]) == (501, "unsupported")
    assert "make pipelines of them" in said["error"]


def grpc_request(name: str) -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(name="INPUT", datatype="FP32", shape=[1])
    tensor.contents.fp32_contents.append(1.0)
    return pb.ModelInferRequest(model_name=name, inputs=[tensor])


def test_over_grpc_the_way_is_in_metadata(server: Mapping[str, str]) -> None:
    with grpc.insecure_channel(server["grpc"]) as channel:
        infer = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )

        def way(name: str, *metadata: tuple[str, str]) -> str:
            answer, call = infer.with_call(grpc_request(name), timeout=10, metadata=metadata)
            told = {name: str(value) for name, value in call.trailing_metadata()}
            assert told["penstock-route"] == told["x-seldon-route"]
            assert told["penstock-route"].endswith(f".{answer.model_name}:")
            return told["penstock-route"]

        ways = {way("all-prices.experiment") for _ in range(60)}
        assert len(ways) == 3
        for each in ways:
            for header in ("x-seldon-route", "penstock-route"):
                assert {way("all-prices.experiment", (header, each)) for _ in range(5)} == {each}
        assert {way("price", ("penstock-target", "quotes.experiment")) for _ in range(40)} == {
            ":quotes.quote:",
            ":quotes.quote-new:",
        }
        lost = (("x-seldon-route", ":x.y:"), ("x-penstock-route-strict", "true"))
        with pytest.raises(grpc.RpcError) as refused:
            infer(grpc_request("price"), timeout=10, metadata=lost)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "the ways are :price.price:, :price.price-new:" in str(refused.value.details())


def test_over_grpc_requests_that_nobody_waits_for_keep_their_way(
    server: Mapping[str, str],
) -> None:
    with grpc.insecure_channel(server["grpc"]) as channel:
        service = "/penstock.requests.v1.Requests"
        submit = channel.unary_unary(
            f"{service}/Submit",
            request_serializer=requests_pb.SubmitRequest.SerializeToString,
            response_deserializer=requests_pb.SubmitResponse.FromString,
        )
        fetch_answer = channel.unary_unary(
            f"{service}/Fetch",
            request_serializer=requests_pb.FetchRequest.SerializeToString,
            response_deserializer=requests_pb.FetchResponse.FromString,
        )
        given = requests_pb.SubmitRequest(request=grpc_request("quotes.experiment"))
        wanted = (("penstock-route", ":quotes.quote-new:"),)
        for _ in range(5):
            taken = submit(given, timeout=10, metadata=wanted)
            about = requests_pb.FetchRequest(request=taken.request, wait_ms=10_000)
            answer, call = fetch_answer.with_call(about, timeout=20)
            assert answer.response.model_name == "quote-new"
            assert ("x-seldon-route", ":quotes.quote-new:") in call.trailing_metadata()
