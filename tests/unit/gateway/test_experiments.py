"""Experiments at the gateway: who gets a request, what its caller is told, and what is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from functools import partial
from random import Random
from typing import Any

import pytest

from harness.arm_outcomes import COUNTED_AS
from harness.builtin import builtin_plugins
from harness.instances import Gated, Inline
from penstock.core.clock import SystemClock
from penstock.core.contracts.forwarder import Forwarded
from penstock.core.contracts.gateway import ServerMetadata, Ticket
from penstock.core.contracts.model import ModelInstance
from penstock.core.contracts.router import Candidate, RoutedRequest, Router
from penstock.core.dataflow import Dataflow
from penstock.core.errors import (
    InternalError,
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    PenstockError,
    StepFailedError,
    UnsupportedError,
    error_of,
)
from penstock.core.experiments.in_force import InForce
from penstock.core.experiments.routers import make_router
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.metrics import Metrics
from penstock.core.model_gateway import ModelGateway
from penstock.core.pipeline_gateway import GatewayLimits, PipelineGateway
from penstock.core.pipeline_gateway.experiment import MOST_MIRRORED
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.plan.single_model import compile_model
from penstock.core.records import Headers
from penstock.core.resources import Experiment, Pipeline
from penstock.testing.joins import Joins
from penstock.testing.scripts import tensor

STRICT = {"x-penstock-route-strict": "true"}


def wanting(trail: str) -> dict[str, str]:
    """As front ends hand it on."""
    return {"x-seldon-route": trail}


class World:
    """A gateway whose chance is seeded, with models that answer at once."""

    def __init__(self, limits: GatewayLimits | None = None) -> None:
        clock = SystemClock()
        self.models = ModelGateway()
        metrics = Metrics()
        self.dataflow = Dataflow(self.models, metrics, clock)
        self.dataflow.start()
        server = ServerMetadata("penstock", "0", ())
        self.gateway = PipelineGateway(
            self.dataflow, metrics, clock, limits or GatewayLimits(), server
        )
        make = partial(make_router, factories=builtin_plugins().routers, travelling={"x-user"})
        self.seen: list[Forwarded] = []
        self.results: list[InferenceResponse | PenstockError] = []
        self.gateway.experiments.use(make, self._observe)
        self.gateway.experiments.random = Random(5).random
        self.gateway.open_intake()
        self.called: Counter[str] = Counter()

    def _observe(
        self,
        seen: Forwarded,
        request: InferenceRequest,
        result: InferenceResponse | PenstockError,
    ) -> None:
        self.seen.append(seen)
        self.results.append(result)

    def model(self, name: str, error: Exception | None = None) -> None:
        def infer(call: Any) -> Any:
            self.called[name] += 1
            if error is not None:
                raise error
            return (tensor("y", name),)

        self.serve(name, Inline(infer))

    def serve(self, name: str, instance: ModelInstance) -> None:
        self.models.publish(name, 1, instance)
        self.gateway.set_model(compile_model(name, 1, Joins()), None)

    def pipeline(self, name: str, *steps: str) -> None:
        spec = {"steps": [{"name": each} for each in steps], "output": {"steps": [steps[-1]]}}
        pipeline = Pipeline.model_validate({"metadata": {"name": name}, "spec": spec})
        self.gateway.set_pipeline(compile_pipeline(pipeline, 1, Joins(), record="none"), None)

    def split(
        self, name: str, kind: str = "model", version: int = 1, spec: Any = None, **weights: float
    ) -> None:
        candidates = [{"name": each, "weight": 1} for each in weights]
        document = {"candidates": candidates, "resourceType": kind, **(spec or {})}
        manifest = Experiment.model_validate(
            {"metadata": {"name": name}, "spec": document}, by_alias=True
        )
        self.gateway.set_experiment(InForce(manifest, version, tuple(weights.values())))

    def submit(self, name: str, headers: Headers | None = None) -> tuple[Ticket, list[Any]]:
        replies: list[Any] = []
        target = self.gateway.resolve(name)
        request = InferenceRequest("mine", (tensor("x"),))
        return target.submit(request, headers or {}, None, replies.append), replies

    def ask(self, name: str, headers: Headers | None = None) -> Any:
        _, [reply] = self.submit(name, headers)
        return reply

    def who(self, name: str, headers: Headers | None = None, times: int = 200) -> Counter[str]:
        return Counter(self.ask(name, headers).model_name for _ in range(times))

    def route(self, name: str, headers: Headers | None = None) -> Any:
        return self.ask(name, headers).parameters["penstock-route"]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    for name in ("a", "b", "c"):
        world.model(name)
    yield world
    await world.dataflow.stop()


async def test_requests_are_split_by_the_weights_in_force(world: World) -> None:
    world.split("e", a=25.0, b=75.0)
    taken = world.who("e.experiment", times=2_000)
    assert set(taken) == {"a", "b"}
    assert 400 < taken["a"] < 600
    world.split("e", a=100.0, b=0.0)
    assert world.who("e.experiment") == {"a": 200}


async def test_the_answer_is_of_what_was_called_and_tells_the_way(world: World) -> None:
    world.split("e", a=1.0)
    answer = world.ask("e.experiment")
    assert (answer.model_name, answer.model_version, answer.id) == ("a", "1", "mine")
    assert answer.parameters == {"penstock-route": ":e.a:"}


async def test_only_an_experiment_that_asks_for_it_has_a_cookie(world: World) -> None:
    world.split("e", spec={"sticky": "cookie"}, a=1.0)
    world.split("outer", "experiment", e=1.0)
    for name in ("e", "outer"):
        assert world.ask(f"{name}.experiment").parameters["penstock-sticky"] == "cookie"


async def test_a_way_is_taken_again_through_experiments_that_lead_to_others(world: World) -> None:
    world.split("one", a=1.0, b=1.0)
    world.split("two", b=1.0, c=1.0)
    world.split("outer", "experiment", one=1.0, two=1.0)
    ways = {world.route("outer.experiment") for _ in range(100)}
    assert ways == {
        f":outer.{way}:" for way in ("one:one.a", "one:one.b", "two:two.b", "two:two.c")
    }
    for way in ways:
        assert {world.route("outer.experiment", wanting(way)) for _ in range(50)} == {way}


async def test_of_a_way_that_is_there_in_part_that_part_is_taken_again(world: World) -> None:
    world.split("one", a=1.0, b=1.0)
    world.split("outer", "experiment", one=1.0, two=1.0)
    world.split("two", b=1.0, c=1.0)
    headers = wanting(":outer.two:two.gone:")
    ways = {world.route("outer.experiment", headers) for _ in range(50)}
    assert ways == {":outer.two:two.b:", ":outer.two:two.c:"}
    headers = wanting(":outer.gone:one.a:")
    ways = {world.route("outer.experiment", headers) for _ in range(100)}
    assert ways == {":outer.one:one.a:", ":outer.two:two.b:", ":outer.two:two.c:"}


@pytest.mark.parametrize("trail", [":nowhere.x:", "rubbish", ":e.gone:", ":model_1:", ":e.b:"])
async def test_a_way_that_leads_nowhere_is_chosen_anew_unless_it_is_strict(
    world: World, trail: str
) -> None:
    world.split("e", a=1.0, b=0.0, c=1.0)
    assert set(world.who("e.experiment", wanting(trail))) == {"a", "c"}
    lax = wanting(trail) | {"x-penstock-route-strict": "false"}
    assert set(world.who("e.experiment", lax)) == {"a", "c"}
    error = world.ask("e.experiment", wanting(trail) | STRICT)
    assert isinstance(error, InvalidRequestError)
    assert f"'{trail}' leads to no candidate" in error.message
    assert "the ways are :e.a:, :e.c:." in error.message
    assert world.route("e.experiment", STRICT)


async def test_a_refusal_on_the_way_tells_how_far_it_came(world: World) -> None:
    world.split("inner", a=1.0)
    world.split("outer", "experiment", inner=1.0)
    error = world.ask("outer.experiment", wanting(":outer.inner:inner.b:") | STRICT)
    assert isinstance(error, InvalidRequestError)
    assert error.route == ":outer.inner:"


async def test_an_error_tells_the_way_as_well(world: World) -> None:
    world.model("bad", OverloadedError("full"))
    world.split("e", bad=1.0)
    error = world.ask("e.experiment")
    assert (error.code, error.route) == ("overloaded", ":e.bad:")


async def test_default_takes_over_the_names_of_a_candidate_and_gives_them_back(
    world: World,
) -> None:
    kept = world.gateway.resolve("a")
    world.split("e", spec={"default": "a"}, a=1.0, b=1.0)
    assert not kept.current
    for name in ("a", "a.model", "e.experiment"):
        assert set(world.who(name)) == {"a", "b"}
    assert set(world.who("b")) == {"b"}
    world.gateway.remove("experiment", "e")
    assert set(world.who("a")) == {"a"}
    with pytest.raises(NotFoundError, match="there is no experiment 'e'"):
        world.gateway.resolve("e.experiment")


async def test_a_named_version_and_steps_of_pipelines_are_not_split(world: World) -> None:
    world.pipeline("p", "a")
    world.split("e", spec={"default": "a"}, b=1.0, a=0.0)
    assert set(world.who("a")) == {"b"}
    world.called.clear()
    world.who("p")
    assert world.called == {"a": 200}
    assert world.gateway.resolve("a", version="1").name == "a"


async def test_pipelines_are_candidates_and_their_names_are_taken_over(world: World) -> None:
    world.pipeline("p", "a")
    world.pipeline("q", "b")
    world.split("e", "pipeline", spec={"default": "p"}, p=1.0, q=1.0)
    for name in ("p", "p.pipeline", "e.experiment"):
        assert set(world.who(name)) == {"p", "q"}


async def test_who_cannot_answer_gets_nothing_while_another_can(world: World) -> None:
    world.split("e", a=1.0, b=1.0, nowhere=8.0)
    world.gateway.set_not_ready("model", "b", 2, "it is being loaded")
    assert world.who("e.experiment") == {"a": 200}
    world.gateway.set_not_ready("model", "a", 2, "it was too big")
    error = world.ask("e.experiment")
    assert isinstance(error, NotReadyError)
    for said in ("'a'", "it was too big", "'b'", "it is being loaded", "no model 'nowhere'"):
        assert said in error.message
    assert world.gateway.ready(world.gateway.resolve("e.experiment")) is not None
    world.model("a")
    assert world.who("e.experiment") == {"a": 200}


async def test_a_wanted_way_to_who_cannot_answer_goes_elsewhere(world: World) -> None:
    world.split("e", a=1.0, b=1.0)
    world.gateway.set_not_ready("model", "b", 2, "it is being loaded")
    assert world.route("e.experiment", wanting(":e.b:")) == ":e.a:"


async def test_a_new_version_expires_the_one_before(world: World) -> None:
    world.split("e", a=1.0)
    before = world.gateway.resolve("e.experiment")
    world.split("e", version=2, b=1.0)
    assert (before.current, world.gateway.resolve("e.experiment").current) == (False, True)
    assert world.gateway.metadata(world.gateway.resolve("e.experiment")).versions == ("2",)


async def test_sticky_hash_splits_by_a_header(world: World) -> None:
    world.split("e", spec={"router": "sticky-hash(x-user)"}, a=1.0, b=1.0)
    users = {f"u{n}": set(world.who("e.experiment", {"x-user": f"u{n}"}, 5)) for n in range(40)}
    assert all(len(taken) == 1 for taken in users.values())
    assert set.union(*users.values()) == {"a", "b"}


@pytest.mark.parametrize("written", ["weigted", "sticky-hash", "sticky-hash(x-other)"])
async def test_without_a_router_it_is_not_ready(world: World, written: str) -> None:
    world.split("e", spec={"router": written}, a=1.0)
    error = world.ask("e.experiment")
    assert isinstance(error, NotReadyError)
    assert error.message.startswith("experiment 'e' is not ready: the router ") or (
        "there is no router" in error.message
    )


class _Wild(Router):
    def __init__(self, index: int = 0) -> None:
        self._index = index

    def choose(self, candidates: Sequence[Candidate], request: RoutedRequest, random: float) -> int:
        if self._index < 0:
            raise RuntimeError("it is wild")
        return self._index


@pytest.mark.parametrize("index", [-1, 7])
async def test_a_router_that_fails_is_an_internal_error(world: World, index: int) -> None:
    world.gateway.experiments.use(lambda written: _Wild(index), lambda *seen: None)
    world.split("e", a=1.0)
    error = world.ask("e.experiment")
    assert isinstance(error, InternalError)
    assert "the router 'weighted' of experiment 'e' failed" in error.message


async def test_what_travels_on_is_the_way_that_was_taken(world: World) -> None:
    headers: list[Headers] = []

    def infer(call: Any) -> Any:
        headers.append(call.origin.headers)
        return (tensor("y"),)

    world.serve("d", Inline(infer))
    world.split("inner", d=1.0)
    world.split("outer", "experiment", inner=1.0)
    world.ask("outer.experiment", wanting(":old.x:") | {"x-request-id": "7"})
    assert headers == [{"x-request-id": "7", "penstock-route": ":outer.inner:inner.d:"}]


async def test_every_experiment_on_the_way_is_told_of_the_end(world: World) -> None:
    world.model("bad", OverloadedError("full"))
    world.model("picky", InvalidRequestError("no"))
    world.split("inner", version=4, a=1.0)
    world.split("outer", "experiment", inner=1.0)
    world.ask("outer.experiment")
    assert [seen[:4] for seen in world.seen] == [
        ("outer", 1, "inner", False),
        ("inner", 4, "a", False),
    ]
    assert all(seen.latency_ms >= 0.0 for seen in world.seen)
    world.split("e", bad=1.0)
    world.split("f", picky=1.0)
    world.ask("e.experiment")
    world.ask("f.experiment")
    assert [seen[:4] for seen in world.seen[2:]] == [
        ("e", 1, "bad", True),
        ("f", 1, "picky", False),
    ]
    assert isinstance(world.results[-1], PenstockError)


async def test_who_went_away_is_not_counted(world: World) -> None:
    gated = Gated()
    world.serve("slow", gated)
    world.split("e", slow=1.0)
    ticket, replies = world.submit("e.experiment")
    ticket.cancel()
    await asyncio.sleep(0)
    assert [reply.code for reply in replies] == ["cancelled"]
    assert world.seen == []


async def test_a_mirror_gets_copies_and_nobody_hears_of_it(world: World) -> None:
    world.model("bad", RuntimeError("broken"))
    world.split("e", spec={"mirror": {"name": "bad", "percent": 50}}, a=1.0)
    for _ in range(1_000):
        assert world.ask("e.experiment").model_name == "a"
        await asyncio.sleep(0)  # copies go after the answer
    assert 400 < world.called["bad"] < 600
    assert {seen.arm for seen in world.seen} == {"a"}


async def test_copies_are_bounded_where_a_mirror_hangs(world: World) -> None:
    gated = Gated()
    world.serve("slow", gated)
    world.split("e", spec={"mirror": {"name": "slow", "percent": 100}}, a=1.0)
    for _ in range(MOST_MIRRORED + 50):
        assert world.ask("e.experiment").model_name == "a"
        await asyncio.sleep(0)
    assert len(gated.calls) == MOST_MIRRORED
    gated.answer((tensor("y"),))
    await asyncio.sleep(0.01)
    world.ask("e.experiment")
    await asyncio.sleep(0.01)
    assert len(gated.calls) == MOST_MIRRORED + 1


async def test_copies_are_bounded_while_weights_change_all_the_time(world: World) -> None:
    gated = Gated()
    world.serve("slow", gated)
    for weight in range(1, MOST_MIRRORED + 50):
        spec = {"mirror": {"name": "slow", "percent": 100}}
        world.split("e", spec=spec, a=float(weight), b=1.0)
        world.ask("e.experiment")
        await asyncio.sleep(0)
    assert len(gated.calls) == MOST_MIRRORED


class _Loads(Router):
    """Keeps what is under way, and takes the first."""

    def __init__(self, seen: list[int]) -> None:
        self._seen = seen

    def choose(self, candidates: Sequence[Candidate], request: RoutedRequest, random: float) -> int:
        self._seen.append(candidates[0].in_flight)
        return 0


async def test_routers_see_what_is_under_way_whatever_happens_to_weights(world: World) -> None:
    seen: list[int] = []
    world.gateway.experiments.use(lambda written: _Loads(seen), lambda *told: None)
    gated = Gated()
    world.serve("slow", gated)
    world.split("e", slow=1.0)
    world.submit("e.experiment")
    world.split("e", slow=2.0)
    world.submit("e.experiment")
    gated.answer((tensor("y"),))
    await asyncio.sleep(0.01)
    world.submit("e.experiment")
    assert seen == [0, 1, 1]


async def test_who_counts_and_fails_costs_nobody_an_answer(world: World) -> None:
    def fails(*seen: Any) -> None:
        raise RuntimeError("it cannot count")

    make = partial(make_router, factories=builtin_plugins().routers, travelling=())
    world.gateway.experiments.use(make, fails)
    world.split("e", a=1.0)
    assert world.ask("e.experiment").model_name == "a"


async def test_a_mirror_that_is_not_there_is_nobodys_problem(world: World) -> None:
    world.split("e", spec={"mirror": {"name": "gone", "percent": 100}}, a=1.0)
    for _ in range(MOST_MIRRORED + 5):
        assert world.ask("e.experiment").model_name == "a"
    await asyncio.sleep(0)
    world.model("gone")
    world.ask("e.experiment")
    await asyncio.sleep(0)
    assert world.called["gone"] == 1


async def test_requests_that_nobody_waits_for_are_split(world: World) -> None:
    world.pipeline("p", "a")
    world.pipeline("q", "b")
    world.split("e", "pipeline", p=1.0, q=1.0)
    target = world.gateway.resolve("e.experiment")
    request = InferenceRequest(None, (tensor("x"),))
    for _ in range(100):
        target.accept(request, {})
    await asyncio.sleep(0)
    assert set(world.called) == {"a", "b"}
    world.called.clear()
    for _ in range(20):
        target.accept(request, wanting(":e.q:"))
    assert world.called == {"b": 20}


async def test_what_becomes_of_them_is_counted(world: World) -> None:
    world.pipeline("p", "bad")
    world.model("bad", StepFailedError("no"))
    world.pipeline("q", "b")
    world.split("inner", "pipeline", version=7, p=1.0, q=1.0)
    world.split("outer", "experiment", version=2, inner=1.0)
    target = world.gateway.resolve("outer.experiment")
    request = InferenceRequest(None, (tensor("x"),))
    for arm in ("p", "q"):
        target.accept(request, wanting(f":inner.{arm}:"))
    assert [seen[:4] for seen in world.seen] == [
        ("outer", 2, "inner", True),
        ("inner", 7, "p", True),
        ("outer", 2, "inner", False),
        ("inner", 7, "q", False),
    ]
    assert isinstance(world.results[0], StepFailedError)
    assert isinstance(world.results[2], InferenceResponse)


@pytest.mark.parametrize("code", sorted(COUNTED_AS.keys() - {"ok"}))
async def test_an_arm_is_counted_by_whose_fault_it_is(world: World, code: str) -> None:
    world.model("bad", error_of(code, "so it is"))
    world.split("e", bad=1.0)
    assert world.ask("e.experiment").code == code
    fault = COUNTED_AS[code]
    assert [seen.failed for seen in world.seen] == ([] if fault is None else [fault])


async def test_what_the_gateway_itself_has_no_room_for_is_no_arms_fault() -> None:
    world = World(GatewayLimits(in_flight=1, waiting=0))
    gated = Gated()
    world.serve("slow", gated)
    world.split("e", slow=1.0)
    world.submit("e.experiment")
    assert world.ask("e.experiment").code == "overloaded"
    world.gateway.close_intake()
    assert world.ask("e.experiment").code == "not-ready"
    assert world.seen == []
    gated.answer((tensor("y"),))
    await asyncio.sleep(0.01)
    assert [seen.failed for seen in world.seen] == [False]
    await world.dataflow.stop()


async def test_models_have_no_requests_that_nobody_waits_for(world: World) -> None:
    world.split("inner", a=1.0)
    world.split("outer", "experiment", inner=1.0)
    with pytest.raises(UnsupportedError, match="candidates of experiment 'inner' are models"):
        world.gateway.resolve("outer.experiment").accept(InferenceRequest(None, ()), {})


async def test_names(world: World) -> None:
    world.split("prices", a=1.0)
    with pytest.raises(NotFoundError, match="did you mean 'prices'"):
        world.gateway.resolve("prizes.experiment")
    with pytest.raises(NotFoundError, match="names an experiment, and a model was asked for"):
        world.gateway.resolve("prices.experiment", kind="model")
    with pytest.raises(NotFoundError, match="no model or pipeline 'prices'"):
        world.gateway.resolve("prices")
    assert world.gateway.resolve("prices", kind="experiment").name == "prices"
