"""Placement: every replica judged by every filter, the rest in the order of the sorters."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.builtin import builtin_plugins, builtin_rules
from penstock.core.contracts.placement import (
    Filter,
    ModelDemand,
    PlacementSnapshot,
    ServerSnapshot,
    Sorter,
)
from penstock.core.scheduling import Rules, place
from penstock.core.scheduling.explanation import document_of

MIB = 1024 * 1024


def server(
    name: str,
    replica: int = 0,
    capabilities: tuple[str, ...] = ("python",),
    memory: int | None = None,
    free: int | None = None,
    models: tuple[str, ...] = (),
    why_not: str | None = None,
) -> ServerSnapshot:
    return ServerSnapshot(
        name, replica, frozenset(capabilities), memory, free, frozenset(models), why_not
    )


def rules(*, filters: tuple[str, ...] = (), sorters: tuple[str, ...] = ()) -> Rules:
    plugins = builtin_plugins()
    return Rules(
        {name: plugins.make(plugins.filters, name) for name in filters},
        {name: plugins.make(plugins.sorters, name) for name in sorters},
    )


def placed(
    model: ModelDemand,
    *servers: ServerSnapshot,
    by: Rules | None = None,
    taken: Mapping[tuple[str, int], str] | None = None,
) -> list[str]:
    found = place(model, PlacementSnapshot(servers), by or builtin_rules(), taken or {})
    return [f"{name}/{replica}" for name, replica in found.fitting]


@pytest.mark.parametrize(
    ("filter", "model", "candidate", "said"),
    [
        (
            "capabilities",
            ModelDemand("m", 1, frozenset({"pythn", "gpu"})),
            server("s", capabilities=("python", "sklearn")),
            "lacks 'gpu', 'pythn' (it has python, sklearn); did you mean 'python'?",
        ),
        (
            "server",
            ModelDemand("m", 1, server="t"),
            server("s"),
            "is not 't', which spec.server names",
        ),
        (
            "memory",
            ModelDemand("m", 1, memory_bytes=5 * MIB),
            server("s", memory=8 * MIB, free=4 * MIB),
            "has 4Mi left of 8Mi, and a copy takes 5Mi",
        ),
        (
            "draining",
            ModelDemand("m", 1),
            server("s", why_not="it is being drained"),
            "takes no models: it is being drained",
        ),
        (
            "replicas",
            ModelDemand("m", 1, replicas=2),
            server("s"),
            "has 1 replicas, and the model wants 2",
        ),
        (
            "explainer",
            ModelDemand("m", 1, explains=True),
            server("s"),
            "runs no explainers (it lacks 'explainer')",
        ),
    ],
)
def test_a_filter_refuses_with_its_numbers(
    filter: str, model: ModelDemand, candidate: ServerSnapshot, said: str
) -> None:
    found = place(model, PlacementSnapshot((candidate,)), rules(filters=(filter,)), {})
    assert found.fitting == ()
    assert [tuple(each) for each in found.verdicts[0].refusals] == [(filter, said)]
    assert found.why_not == f"server 's' {said}"


@pytest.mark.parametrize(
    "filter", ["capabilities", "server", "memory", "draining", "replicas", "explainer"]
)
def test_a_filter_lets_in_what_fits(filter: str) -> None:
    by = rules(filters=(filter,))
    anything = ModelDemand("m", 1)
    assert placed(anything, server("s"), by=by) == ["s/0"]
    much = ModelDemand("m", 1, frozenset({"python"}), 4 * MIB, "s", 2, explains=True)
    able = [server("s", n, ("python", "explainer"), memory=4 * MIB, free=4 * MIB) for n in range(2)]
    assert placed(much, *able, by=by) == ["s/0", "s/1"]


@pytest.mark.parametrize(
    ("sorter", "order"),
    [
        ("loaded", ["c/0", "a/0", "b/0"]),
        ("free-memory", ["c/0", "b/0", "a/0"]),
        ("index", ["a/0", "b/0", "c/0"]),
        ("packing", ["b/0", "c/0", "a/0"]),
        ("spreading", ["a/0", "c/0", "b/0"]),
    ],
)
def test_a_sorter_says_what_comes_first(sorter: str, order: list[str]) -> None:
    servers = (
        server("a", memory=9, free=3),
        server("b", memory=9, free=5, models=("x", "y")),
        server("c", models=("m",)),
    )
    assert placed(ModelDemand("m", 2), *servers, by=rules(sorters=(sorter,))) == order


def test_the_next_sorter_decides_where_one_does_not() -> None:
    servers = (
        server("b", models=("x",)),
        server("a", models=("y",)),
        server("c"),
    )
    assert placed(ModelDemand("m", 1), *servers, by=rules(sorters=("spreading",))) == [
        "c/0",
        "a/0",
        "b/0",
    ]
    assert placed(ModelDemand("y", 1), *servers, by=rules(sorters=("packing", "loaded"))) == [
        "a/0",
        "b/0",
        "c/0",
    ]


def test_all_reasons_are_given_and_replicas_of_one_server_said_once() -> None:
    model = ModelDemand("m", 1, frozenset({"gpu"}), memory_bytes=MIB)
    servers = [server("s", n, memory=MIB, free=0) for n in range(3)]
    found = place(model, PlacementSnapshot((*servers, server("t"))), builtin_rules(), {})
    assert found.why_not == (
        "server 's' lacks 'gpu' (it has python) and has 0 left of 1Mi, and a copy takes 1Mi; "
        "server 't' lacks 'gpu' (it has python)"
    )


def test_what_is_taken_is_not_judged() -> None:
    found = place(
        ModelDemand("m", 1),
        PlacementSnapshot((server("s"), server("t"))),
        builtin_rules(),
        {("s", 0): "has a copy"},
    )
    assert found.fitting == (("t", 0),)
    assert found.why_not == "server 's' has a copy"
    no_server = place(ModelDemand("m", 1), PlacementSnapshot(()), builtin_rules(), {})
    assert no_server.why_not.startswith("there is no server")


class Broken(Filter, Sorter):
    def refuse(self, *_: object) -> str | None:
        raise KeyError("oops")

    def cost(self, *_: object) -> float:
        raise KeyError("oops")


class NoNumber(Sorter):
    def cost(self, *_: object) -> float:
        return float("nan")


def test_a_rule_that_fails_refuses_or_comes_last(caplog: pytest.LogCaptureFixture) -> None:
    snapshot = PlacementSnapshot((server("s"),))
    refused = place(ModelDemand("m", 1), snapshot, Rules({"odd": Broken()}, {}), {})
    said = "cannot be judged: the filter 'odd' raised KeyError: 'oops'"
    assert refused.verdicts[0].reasons == (said,)
    for sorter in (Broken(), NoNumber()):
        last = place(ModelDemand("m", 1), snapshot, Rules({}, {"odd": sorter}), {})
        assert last.verdicts[0].costs == {"odd": float("inf")}
        assert document_of(last)[0]["costs"] == {"odd": None}
    assert "the sorter 'odd' failed for model 'm'" in caplog.text


def test_a_placement_as_a_document() -> None:
    model = ModelDemand("m", 1, frozenset({"python"}))
    servers = (server("s", models=("x",)), server("t", capabilities=()))
    found = place(model, PlacementSnapshot(servers), builtin_rules(), {})
    assert document_of(found) == [
        {
            "server": "s",
            "replica": 0,
            "capabilities": ["python"],
            "memory_bytes": None,
            "free_memory_bytes": None,
            "measured_bytes": 0,
            "models": 1,
            "rank": 1,
            "taken": None,
            "refusals": {},
            "costs": {"loaded": 1.0, "free-memory": None, "spreading": 1.0, "index": 0.0},
        },
        {
            "server": "t",
            "replica": 0,
            "capabilities": [],
            "memory_bytes": None,
            "free_memory_bytes": None,
            "measured_bytes": 0,
            "models": 0,
            "rank": None,
            "taken": None,
            "refusals": {"capabilities": "lacks 'python' (it has none)"},
            "costs": {},
        },
    ]


servers_of_any_kind = st.builds(
    server,
    st.sampled_from("abc"),
    st.integers(0, 3),
    st.sampled_from([(), ("python",), ("python", "gpu")]),
    st.none() | st.integers(0, 10),
    st.none() | st.integers(0, 10),
    st.sampled_from([(), ("m",), ("m", "n")]),
    st.sampled_from([None, "it is being drained"]),
)
demands = st.builds(
    ModelDemand,
    st.just("m"),
    st.just(1),
    st.sampled_from([frozenset[str](), frozenset({"python"}), frozenset({"gpu"})]),
    st.none() | st.integers(0, 10),
    st.none() | st.sampled_from("abc"),
    st.integers(1, 3),
    st.booleans(),
)


@given(demands, st.lists(servers_of_any_kind, max_size=6, unique_by=lambda s: (s.name, s.replica)))
def test_the_same_snapshot_in_any_order_has_the_same_answer(
    model: ModelDemand, servers: list[ServerSnapshot]
) -> None:
    by = rules(
        filters=("capabilities", "server", "memory", "draining", "explainer"),
        sorters=("loaded", "free-memory", "packing", "index"),
    )
    found = placed(model, *servers, by=by)
    assert placed(model, *reversed(servers), by=by) == found
    assert len(found) == len(set(found))
    unwilling = {f"{s.name}/{s.replica}" for s in servers if s.why_not is not None}
    assert not unwilling & set(found)
