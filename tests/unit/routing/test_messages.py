"""Routes as messages, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from penstock.core.contracts.model import CopyPlace
from penstock.core.experiments.reports import Report
from penstock.core.experiments.tally import ArmKey, Tally
from penstock.core.records import Port
from penstock.core.resources import Experiment, Pipeline
from penstock.core.routing import messages
from penstock.core.routing.messages import (
    read_acknowledgement,
    read_updates,
    write_acknowledgement,
    write_update,
)
from penstock.core.routing.route import (
    Acknowledgement,
    Copies,
    Gone,
    InUse,
    NotReady,
    Route,
    RouteKey,
    ServedExperiment,
    ServedModel,
    ServedPipeline,
    Update,
)
from penstock.core.signature import Signature, TensorSpec
from penstock.proto import routes_pb2 as pb

SIGNATURE = Signature(
    (
        TensorSpec("x", "FP32", (None, "n", 4)),
        TensorSpec("anything"),
        TensorSpec("scalar", "INT64", (), optional=True),
    ),
    None,
)

PIPELINE = Pipeline.model_validate(
    {
        "metadata": {"name": "p"},
        "spec": {"steps": [{"name": "a"}], "output": {"steps": ["a"], "stepsJoin": "outer"}},
    }
)

EXPERIMENT = Experiment.model_validate(
    {
        "metadata": {"name": "f"},
        "spec": {"candidates": [{"name": "m", "weight": 1}, {"name": "o", "weight": 7}]},
    }
)

ROUTES: tuple[Route | Gone, ...] = (
    Route(
        RouteKey("copies", "m"),
        1,
        Copies(3, SIGNATURE, (CopyPlace("", "m.model", "3"), CopyPlace("grpc://far:1", "m_3"))),
    ),
    Route(RouteKey("copies", "gone"), 2, NotReady(0, "it was deleted")),
    Route(RouteKey("model", "m"), 3, ServedModel(3, Signature((), ()))),
    Route(RouteKey("model", "o"), 3, ServedModel(1, None)),
    Route(RouteKey("model", "n"), 4, NotReady(1, "it is being loaded")),
    Route(
        RouteKey("pipeline", "p"),
        5,
        ServedPipeline(
            2,
            SIGNATURE,
            PIPELINE,
            "boundary",
            frozenset({Port(None, "outputs"), Port("a", "inputs")}),
        ),
    ),
    Gone(RouteKey("pipeline", "q"), 6),
    Route(RouteKey("experiment", "e"), 7, NotReady(1, "it is not there yet")),
    Route(RouteKey("experiment", "f"), 8, ServedExperiment(2, EXPERIMENT, (12.5, 87.5))),
)


async def read(*sent: pb.Update) -> list[Update]:
    async def stream() -> AsyncIterator[pb.Update]:
        for message in sent:
            yield pb.Update.FromString(message.SerializeToString())

    return [update async for update in read_updates(stream())]


async def test_an_update_comes_as_it_went() -> None:
    update = Update("epoch", 7, ROUTES, whole=True, settled=False, kept=3)
    assert await read(*write_update(update)) == [update]
    nothing = Update("epoch", 7, (), whole=False, settled=True)
    assert await read(*write_update(nothing)) == [nothing]


async def test_a_large_one_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "ROUTES_PER_MESSAGE", 2)
    update = Update("epoch", 7, ROUTES, whole=True, settled=False, kept=3)
    sent = list(write_update(update))
    assert [len(message.routes) for message in sent] == [2, 2, 2, 2, 1]
    assert await read(*sent, *sent) == [update, update]


def test_an_acknowledgement_comes_as_it_went() -> None:
    used = (InUse(RouteKey("copies", "m"), 1, 7), InUse(RouteKey("pipeline", "p"), 2, 3))
    for said in (Acknowledgement("g", "epoch", 9, used), Acknowledgement("g", "", 0, leaving=True)):
        assert read_acknowledgement(write_acknowledgement(said)) == said


def test_a_trouble_comes_as_it_went() -> None:
    said = Acknowledgement("g", "epoch", 9, trouble="it refused a change")
    assert read_acknowledgement(write_acknowledgement(said)) == said


def test_tallies_come_as_they_went() -> None:
    tally = Tally()
    tally.count(1.5, failed=False)
    tally.count(1.5, failed=True)
    tally.measure({"score": 0.25})
    key = ArmKey("e", 3, "new")
    message = write_acknowledgement(
        Acknowledgement("g", "epoch", 9, report=Report(4, ((key, tally),)))
    )
    number, [(read_key, read_tally)] = read_acknowledgement(message).report
    assert number == 4
    assert read_key == key
    assert read_tally.document() == tally.document()
    message.tallies[0].latencies[10**6] = 1
    [(_, read_tally)] = read_acknowledgement(message).report.tallies
    assert read_tally.document() == tally.document(), "there is no such bucket"


async def test_what_this_release_does_not_know_is_left_out_or_not_ready() -> None:
    [message] = write_update(Update("epoch", 7, ROUTES[5:6], whole=True, settled=False))
    message.routes.add(kind=99, name="new", revision=8)
    message.routes[0].pipeline.manifest = '{"kind": "Pipeline", "spec": {"later": 1}}'
    [update] = await read(message)
    [route] = update.routes
    assert isinstance(route, Route)
    assert isinstance(route.body, NotReady)
    assert route.body.reason.startswith("this gateway cannot read its manifest")


async def test_an_experiment_whose_weights_are_not_those_of_its_candidates_is_not_ready() -> None:
    [message] = write_update(Update("epoch", 8, ROUTES[-1:], whole=True, settled=False))
    message.routes[0].experiment.weights.append(3.0)
    [update] = await read(message)
    [route] = update.routes
    assert isinstance(route, Route)
    assert isinstance(route.body, NotReady)
    assert "another number of weights than of candidates" in route.body.reason
