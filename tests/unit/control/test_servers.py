"""Servers that manifests ask for, and the copies of models on their replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from harness.builtin import builtin_plugins
from harness.control_plane import (
    FakeKind,
    FakeServer,
    Plane,
    control_plane,
    model,
    pipeline,
    server,
)
from penstock.core.errors import (
    ConflictError,
    InvalidRequestError,
    NotReadyError,
    UnsupportedError,
)
from penstock.core.positions import PositionedDocument
from penstock.core.problems import KeyPath, Problem, ProblemsError


@pytest.fixture
def fakes() -> FakeKind:
    return FakeKind("fake")


@pytest.fixture
async def plane(tmp_path: Path, fakes: FakeKind) -> AsyncIterator[Plane]:
    async with control_plane(tmp_path, kinds={"fake": fakes}) as plane:
        yield plane
    assert fakes.running == []


def asking(name: str, **spec: object) -> dict[str, object]:
    return model(name, **{"python": "m:A", "requirements": ["fake"], **spec})


async def test_a_server_is_started_as_often_as_it_is_wanted(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s", replicas=3, options={"speed": 2}))

    assert await plane.settle() == []
    assert plane.condition("Server", "s") == ("True", "Serving", "version 1 serves")
    assert len(fakes.running) == 3
    assert fakes.options == [{"speed": 2}] * 3


async def test_copies_go_to_replicas_of_their_own_and_share_the_calls(
    plane: Plane, fakes: FakeKind
) -> None:
    await plane.apply(server("s", replicas=3), asking("a", replicas=2), pipeline("p", "a"))
    assert await plane.settle() == []

    holders = [each for each in fakes.made if each.loaded]
    assert len(holders) == 2
    gates = []
    for holder in holders:
        instance = holder.loaded["a", 1]
        instance.gate = asyncio.Event()
        gates.append(instance)
    answers = [plane.call("p") for _ in range(2)]
    for instance in gates:
        await instance.called.wait()
    for instance in gates:
        assert instance.gate is not None
        instance.gate.set()
    for answer in answers:
        assert (await answer).model_version == "1"


async def test_models_are_spread_over_replicas_that_come_up_together(
    plane: Plane, fakes: FakeKind
) -> None:
    models = (asking(f"m{number}", memory="1Mi") for number in range(6))
    await plane.apply(server("s", replicas=3, memory="1Gi"), *models)

    assert await plane.settle() == []
    assert [len(each.loaded) for each in fakes.made] == [2, 2, 2]


async def test_with_fewer_replicas_than_wanted_a_model_serves_and_says_so(
    plane: Plane, fakes: FakeKind
) -> None:
    await plane.apply(server("s"), asking("a", replicas=3))
    assert await plane.settle() == []

    assert plane.condition("Model", "a") == ("True", "Serving", "version 1 serves")
    scarce = plane.condition("Model", "a", "ReplicasReady")
    assert scarce is not None
    assert scarce[:2] == ("False", "NoServer")
    assert scarce[2].startswith("1 of 3 replicas are loaded; version 1 fits on no server: ")
    assert "server 's' has a copy" in scarce[2]
    assert "server 'inprocess' lacks 'fake' (it has python, sklearn)" in scarce[2]

    await plane.apply(server("s", replicas=3))
    await plane.until(lambda: plane.condition("Model", "a", "ReplicasReady") is None)
    assert [len(each.loaded) for each in fakes.running] == [1, 1, 1]


async def test_below_its_least_replicas_a_model_is_not_ready(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s"), asking("a", replicas=3, minReplicas=2))

    (said,) = await plane.settle()
    assert "version 1 fits on no server" in said
    assert (await plane.call("a")).code == "not-ready"
    await plane.apply(server("s", replicas=2))
    await plane.until(lambda: plane.reason("Model", "a") == "Serving")
    assert fakes.held("a") == 2


async def test_a_model_waits_for_a_server_that_is_being_started(
    plane: Plane, fakes: FakeKind
) -> None:
    slow = FakeServer("fake")
    slow.start_gate = asyncio.Event()
    fakes.prepared = [slow]
    await plane.apply(server("s"), asking("a"))

    await plane.until(lambda: plane.reason("Model", "a") == "WaitingForServer")
    condition = plane.condition("Model", "a", "Progressing")
    assert condition is not None
    assert condition[0] == "True"
    assert "server 's' is not up yet: it is being started" in condition[2]
    slow.start_gate.set()
    assert await plane.settle() == []


async def test_a_start_that_fails_in_passing_is_tried_again(plane: Plane, fakes: FakeKind) -> None:
    slow = FakeServer("fake")
    slow.start_errors = [NotReadyError("the port is taken")] * 2
    fakes.prepared = [slow]
    await plane.apply(server("s"), asking("a"))

    await plane.until(lambda: plane.reason("Server", "s") == "Retrying")
    said = "server 's/0' could not be started: the port is taken; it is tried again at 22:13:21 UTC"
    assert plane.condition("Server", "s") == ("False", "Retrying", said)
    await plane.naps.wake()
    await plane.naps.wake()
    assert await plane.settle() == []
    assert plane.naps.lengths_s == [1.0, 2.0]


async def test_a_start_that_fails_for_good_is_the_reason(plane: Plane, fakes: FakeKind) -> None:
    broken = FakeServer("fake")
    broken.start_errors = [UnsupportedError("it is not installed; run penstock servers install x")]
    fakes.prepared = [broken]
    await plane.apply(server("s"), asking("a"))

    of_model, of_server = await plane.settle()
    assert "could not be started: it is not installed; run penstock servers install x" in of_server
    assert "server 's' takes no models: server 's/0' could not be started: it is not" in of_model
    assert plane.reason("Server", "s") == "StartFailed"
    assert not broken.running


async def test_options_that_a_kind_does_not_take_are_refused_where_they_stand(
    tmp_path: Path,
) -> None:
    plugins = builtin_plugins()

    def check(
        kind: str, options: Mapping[str, object], document: PositionedDocument, at: KeyPath
    ) -> list[Problem]:
        return plugins.problems_of_options(plugins.server_adapters, kind, options, document, at)

    fakes = FakeKind("fake")
    async with control_plane(tmp_path, kinds={"v2": fakes}, options_check=check) as plane:
        with pytest.raises(ProblemsError) as refused:
            await plane.apply(
                server("s", serverConfig="v2", options={"addres": "grpc://a:1"}),
                server("t", serverConfig="v2", options={"address": 7}),
                server("u", serverConfig="inprocess", options={"speed": 7}),
            )
        assert plane.control.list("Server") == []
        await plane.apply(server("s", serverConfig="v2", options={"address": "grpc://a:1"}))
        assert await plane.settle() == []
    said = [(each.path, each.message) for each in refused.value.problems]
    paths = [path for path, _ in said]
    assert "spec.options.addres" in paths
    assert "spec.options.address" in paths
    assert ("spec.options.speed", "unknown key 'speed'") in said
    lines = [each.position.line for each in refused.value.problems]
    assert lines == sorted(lines)
    assert lines[0] > 1, "the position is that of the key"


async def test_a_kind_that_is_not_installed_and_options_that_are_wrong(plane: Plane) -> None:
    await plane.apply(server("s", serverConfig="fakr"), server("t", options={"wrong": 1}))

    kind, options = await plane.settle()
    assert "there is no server adapter 'fakr' (installed: fake); did you mean 'fake'?" in kind
    assert options == "server 't' is not ready: options.wrong: unknown"


async def test_when_a_server_goes_its_copies_move_first(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s"), asking("a"), pipeline("p", "a"))
    await plane.settle()
    old = fakes.made[0].loaded["a", 1]
    old.gate = asyncio.Event()
    under_way = plane.call("p")
    await old.called.wait()
    second = FakeServer("fake")
    gate = second.held["a"] = asyncio.Event()
    fakes.prepared = [second]
    await plane.apply(server("t"))
    await plane.until(lambda: plane.reason("Server", "t") == "Serving")

    await plane.control.delete("Server", "s", force=False)
    await second.begun.wait()
    assert plane.reason("Model", "a") == "Serving", "the old copy serves until the new one does"
    assert ("a", 1) in fakes.made[0].loaded
    gate.set()
    await plane.turns()
    assert ("a", 1) in second.loaded

    assert (await plane.call("p")).model_version == "1"
    assert ("a", 1) in fakes.made[0].loaded, "a call is under way there"
    assert fakes.made[0].running
    old.gate.set()
    assert (await under_way).model_version == "1"
    await plane.quiet()
    assert fakes.running == [second]
    assert fakes.held("a") == 1


async def test_a_model_whose_only_server_goes_says_so_and_comes_back(
    plane: Plane, fakes: FakeKind
) -> None:
    await plane.apply(server("s"), asking("a"), pipeline("p", "a"))
    await plane.settle()

    await plane.control.delete("Server", "s", force=False)
    await plane.quiet()
    assert fakes.running == []
    of_model, of_pipeline = await plane.settle()
    assert "version 1 fits on no server" in of_model
    assert of_pipeline.startswith("pipeline 'p' is not ready: model 'a' is not ready")
    assert (await plane.call("p")).code == "not-ready"
    assert (await plane.call("a")).code == "not-ready"

    await plane.apply(server("t"))
    assert await plane.settle() == []
    assert (await plane.call("p")).model_version == "1"
    assert (await plane.call("a")).model_version == "1"


async def test_a_model_stays_on_the_server_that_it_names(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s"), server("t"), asking("a", server="t"))
    assert await plane.settle() == []
    assert [len(each.loaded) for each in fakes.made] == [0, 1]

    with pytest.raises(ConflictError, match="server 't' is used by model 'a'"):
        await plane.control.delete("Server", "t", force=False)
    await plane.control.delete("Server", "t", force=True)
    (said,) = await plane.settle()
    assert "server 's' is not 't', which spec.server names" in said
    await plane.quiet()
    assert [len(each.loaded) for each in fakes.made] == [0, 0]


async def test_what_has_no_room_waits_for_it_and_disturbs_nobody(
    plane: Plane, fakes: FakeKind
) -> None:
    await plane.apply(server("s", memory="100Mi"), asking("a", memory="60Mi"))
    assert await plane.settle() == []
    await plane.apply(asking("b", memory="50Mi"), asking("c", memory="40Mi"))

    (said,) = await plane.settle()
    assert "server 's' has 40Mi left of 100Mi, and a copy takes 50Mi" in said
    assert plane.reason("Model", "a") == plane.reason("Model", "c") == "Serving"
    assert plane.reason("Model", "b") == "NoServer"
    await plane.control.delete("Model", "a", force=False)
    await plane.until(lambda: plane.reason("Model", "b") == "Serving")
    assert await plane.settle() == []


async def test_another_version_of_a_server_is_started_beside_the_old_one(
    plane: Plane, fakes: FakeKind
) -> None:
    await plane.apply(server("s", replicas=2), asking("a"))
    await plane.settle()
    gate = asyncio.Event()
    fakes.prepared = [FakeServer("fake"), FakeServer("fake")]
    for slow in fakes.prepared:
        slow.start_gate = gate

    await plane.apply(server("s", replicas=2, options={"speed": 2}))
    await plane.turns()
    assert len(fakes.running) == 4
    assert plane.condition("Server", "s") == ("True", "Serving", "version 1 serves")
    assert plane.reason("Model", "a") == "Serving"
    gate.set()
    assert await plane.settle() == []
    await plane.quiet()
    assert plane.condition("Server", "s") == ("True", "Serving", "version 2 serves")
    assert fakes.running == fakes.made[2:]
    assert fakes.held("a") == 1
    assert (await plane.call("a")).model_version == "1"


async def test_fewer_replicas_stop_those_that_are_too_many(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s", replicas=3), asking("a", replicas=3))
    await plane.settle()
    await plane.apply(server("s", replicas=1))
    await plane.quiet()
    await plane.settle()

    assert fakes.running == fakes.made[:1]
    assert fakes.held("a") == 1
    assert plane.reason("Model", "a") == "Serving"
    scarce = plane.condition("Model", "a", "ReplicasReady")
    assert scarce is not None
    assert scarce[2].startswith("1 of 3 replicas")


async def test_a_copy_that_is_refused_is_tried_elsewhere_and_not_everywhere(
    plane: Plane, fakes: FakeKind
) -> None:
    for number in range(5):
        fake = FakeServer("fake")
        fake.failing["bad"] = [InvalidRequestError("no such class")]
        if number == 0:
            fake.failing["odd"] = [InvalidRequestError("no such package here")]
        fakes.prepared.append(fake)
    await plane.apply(server("s", replicas=5))
    await plane.settle()
    await plane.apply(asking("bad"), asking("odd", replicas=5))

    (said,) = await plane.settle()
    assert said == "model 'bad' is not ready: version 1 could not be loaded: no such class"
    tries = [spec.name for each in fakes.made for spec in each.loads]
    assert tries.count("bad") == 3
    assert fakes.held("odd") == 4
    scarce = plane.condition("Model", "odd", "ReplicasReady")
    assert scarce is not None
    assert scarce[:2] == ("False", "LoadFailed")
    assert "no such package here" in scarce[2]


async def test_a_server_of_the_process_keeps_its_name(plane: Plane) -> None:
    await plane.apply(server("inprocess"), model("a"))
    (said,) = await plane.settle()
    assert said == (
        "server 'inprocess' is not ready: this process has a server of that name already; "
        "choose another"
    )
    assert plane.reason("Model", "a") == "Serving"


async def test_more_and_fewer_copies_need_no_new_version(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s", replicas=3), asking("a"), pipeline("p", "a"))
    await plane.settle()
    first = next(each for each in fakes.made if each.loaded)
    instance = first.loaded["a", 1]

    [change] = await plane.apply(asking("a", replicas=3))
    assert (change.action, change.version) == ("changed", 1)
    await plane.until(lambda: plane.condition("Model", "a", "ReplicasReady") is None)
    assert fakes.held("a") == 3
    await plane.apply(asking("a", replicas=1))
    await plane.quiet()

    assert fakes.held("a") == 1
    assert first.loaded["a", 1] is instance
    assert sum(len(each.loads) for each in fakes.made) == 3
    assert (await plane.call("p")).model_version == "1"


async def test_a_model_without_replicas_is_not_served(plane: Plane, fakes: FakeKind) -> None:
    await plane.apply(server("s"), asking("a"))
    await plane.settle()
    await plane.apply(asking("a", replicas=0))
    (said,) = await plane.settle()
    assert said == "model 'a' is not ready: version 1 is scaled to zero (spec.replicas is 0)"
    assert (await plane.call("a")).code == "not-ready"
    await plane.quiet()
    assert fakes.held("a") == 0
    await plane.apply(asking("a", replicas=1))
    assert await plane.settle() == []
    assert (await plane.call("a")).model_version == "1"


async def test_a_model_that_fits_nowhere_asks_for_more_replicas(
    plane: Plane, fakes: FakeKind
) -> None:
    await plane.apply(
        server("s", memory="10Mi"),
        asking("a", memory="6Mi"),
        asking("b", memory="6Mi", replicas=2),
        asking("c", memory="3Mi", replicas=2),
        asking("d", memory="11Mi"),
    )
    assert len(await plane.settle()) == 2
    await plane.turns()

    asked = plane.condition("Server", "s", "ScaleUpWanted")
    assert asked == (
        "True",
        "ModelsDoNotFit",
        "it takes at least 2 more replicas to hold what fits nowhere: 'b' (2 copies), "
        "'c' (1 copy); "
        "raise spec.replicas",
    )
    assert plane.condition("Server", "s") == ("True", "Serving", "version 1 serves")
    assert plane.metrics.replicas_wanted == {"s": 2}
    assert plane.control.explain("b")["grow"] == ["s"]
    assert plane.control.explain("d")["grow"] == []

    await plane.apply(server("s", memory="10Mi", replicas=3))
    await plane.until(lambda: plane.condition("Server", "s", "ScaleUpWanted") is None)
    assert len(await plane.settle()) == 1
    assert plane.metrics.replicas_wanted == {}
    assert fakes.held("b") == fakes.held("c") == 2


async def test_what_is_not_wanted_any_more_asks_for_nothing(plane: Plane) -> None:
    await plane.apply(server("s"), asking("a", replicas=2), asking("b", replicas=3))
    await plane.settle()
    await plane.turns()
    asked = plane.condition("Server", "s", "ScaleUpWanted")
    assert asked is not None
    assert asked[2].startswith(
        "it takes at least 2 more replicas to hold what fits nowhere: 'a' (1"
    )
    await plane.control.delete("Model", "b", force=False)
    await plane.apply(asking("a"))
    await plane.until(lambda: plane.condition("Server", "s", "ScaleUpWanted") is None)


async def test_what_a_model_takes_is_measured_where_nobody_has_said_it(
    plane: Plane, fakes: FakeKind
) -> None:
    measuring = FakeServer("fake")
    measuring.memory = {"a": 7 << 20, "b": -(2 << 20), "c": 9 << 20}
    fakes.prepared = [measuring]
    await plane.apply(server("s", memory="10Mi"), asking("a"))
    await plane.settle()
    await plane.apply(asking("b"))
    await plane.settle()

    [explained] = [each for each in plane.control.explain("a")["servers"] if each["server"] == "s"]
    assert explained["measured_bytes"] == 7 << 20, "what shrinks gives no room"
    assert explained["free_memory_bytes"] == 3 << 20

    await plane.apply(asking("c", memory="4Mi"))
    (said,) = await plane.settle()
    assert "'s' has 3Mi left of 10Mi (7Mi are taken as measured), and a copy takes 4Mi" in said
    await plane.control.delete("Model", "a", force=False)
    await plane.until(lambda: plane.reason("Model", "c") == "Serving")
    [explained] = [each for each in plane.control.explain("c")["servers"] if each["server"] == "s"]
    assert (explained["measured_bytes"], explained["free_memory_bytes"]) == (0, 6 << 20)


async def test_more_than_the_room_may_be_measured_and_moves_nothing(
    plane: Plane, fakes: FakeKind
) -> None:
    measuring = FakeServer("fake")
    measuring.memory = {"a": 99 << 20}
    fakes.prepared = [measuring]
    await plane.apply(server("s", memory="10Mi"), asking("a"))
    assert await plane.settle() == []
    await plane.apply(asking("b", memory="1Mi"))
    (said,) = await plane.settle()
    assert "server 's' has 0 left of 10Mi (99Mi are taken as measured)" in said
    assert plane.reason("Model", "a") == "Serving"


async def test_a_server_that_no_manifest_asks_for_cannot_grow(plane: Plane) -> None:
    await plane.apply(model("a", replicas=2, python="m:A", requirements=["sklearn"]))
    await plane.settle()
    assert plane.condition("Model", "a", "ReplicasReady") is not None
    assert plane.control.explain("a")["grow"] == []
    assert plane.metrics.replicas_wanted == {}


async def test_copies_that_come_while_a_newer_version_waits_are_of_the_one_that_serves(
    plane: Plane, fakes: FakeKind
) -> None:
    await plane.apply(server("s", replicas=2), asking("a"))
    assert await plane.settle() == []
    newer = {"python": "m:B", "requirements": ["fake", "gpu"]}
    await plane.apply(asking("a", **newer))
    assert len(await plane.settle()) == 1
    await plane.apply(asking("a", replicas=2, **newer))
    await plane.settle()
    assert fakes.held("a") == 2
    loads = [spec for each in fakes.made for spec in each.loads]
    assert [(spec.version, spec.python) for spec in loads] == [(1, "m:A"), (1, "m:A")]
