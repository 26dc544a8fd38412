"""The shares of experiments that lead to each other, multiplied out; and trails as texts."""

from __future__ import annotations

from collections.abc import Mapping
from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from penstock.core.experiments.shares import DEEPEST, Choice, InForce, leaves_of
from penstock.core.experiments.trails import MAX_LENGTH, read_trail, written_trail
from penstock.core.resources import Experiment

NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,8}[A-Za-z0-9])?", fullmatch=True)


def split(name: str, weights: Mapping[str, float], kind: str = "model") -> InForce:
    """An experiment that splits by ``weights``; what its manifest says is something else."""
    candidates = [{"name": each, "weight": 1} for each in weights]
    manifest = Experiment.model_validate(
        {"metadata": {"name": name}, "spec": {"candidates": candidates, "resourceType": kind}},
        by_alias=True,
    )
    return InForce(manifest, 3, tuple(weights.values()))


def test_nested_experiments_multiply_out() -> None:
    there = {
        "outer": split("outer", {"one": 1.0, "two": 3.0}, "experiment"),
        "one": split("one", {"a": 30.0, "b": 70.0}),
        "two": split("two", {"a": 1.0}, "pipeline"),
    }
    leaves = leaves_of("outer", there.get)
    assert [(leaf.kind, leaf.name, leaf.trail) for leaf in leaves] == [
        ("model", "a", ":outer.one:one.a:"),
        ("model", "b", ":outer.one:one.b:"),
        ("pipeline", "a", ":outer.two:two.a:"),
    ]
    assert [round(leaf.part, 9) for leaf in leaves] == [0.075, 0.175, 0.75]
    assert leaves[0].way == (Choice("outer", 3, "one"), Choice("one", 3, "a"))


def test_what_leads_nowhere_and_what_has_no_weight_is_left_out() -> None:
    there = {
        "outer": split("outer", {"one": 1.0, "gone": 3.0}, "experiment"),
        "one": split("one", {"a": 1.0, "b": 0.0}),
    }
    [leaf] = leaves_of("outer", there.get)
    assert (leaf.name, leaf.part) == ("a", 1.0)
    assert leaves_of("gone", there.get) == ()


def test_too_deep_a_way_ends() -> None:
    circle = {"e": split("e", {"e": 1.0}, "experiment")}
    assert leaves_of("e", circle.get) == ()
    chain = {f"e{n}": split(f"e{n}", {f"e{n + 1}": 1.0}, "experiment") for n in range(DEEPEST)}
    chain[f"e{DEEPEST - 1}"] = split(f"e{DEEPEST - 1}", {"a": 1.0})
    assert [leaf.name for leaf in leaves_of("e0", chain.get)] == ["a"]


WEIGHTS = st.dictionaries(NAMES, st.floats(0.0, 1e6, allow_subnormal=False), min_size=1, max_size=5)


@given(st.lists(WEIGHTS, min_size=1, max_size=4), st.lists(st.floats(0.001, 100.0), max_size=4))
def test_parts_add_up_to_one_and_trails_tell_leaves_apart(
    inner: list[dict[str, float]], outer: list[float]
) -> None:
    there = {f"e{number}": split(f"e{number}", weights) for number, weights in enumerate(inner)}
    leading = dict(zip(there, outer, strict=False)) or {"e0": 1.0}
    there["outer"] = split("outer", leading, "experiment")
    leaves = leaves_of("outer", there.get)
    reached = [name for name in leading if any(weight > 0 for weight in there[name].weights)]
    assert bool(leaves) == bool(reached)
    if leaves:
        assert isclose(sum(leaf.part for leaf in leaves), 1.0)
    assert len({leaf.trail for leaf in leaves}) == len(leaves)


@given(st.lists(WEIGHTS, min_size=1, max_size=3), st.floats(0.01, 50.0))
def test_trails_stay_when_weights_change(inner: list[dict[str, float]], factor: float) -> None:
    def trails(times: float) -> list[str]:
        there = {
            f"e{number}": split(f"e{number}", {n: 1.0 + w * times for n, w in weights.items()})
            for number, weights in enumerate(inner)
        }
        there["outer"] = split("outer", dict.fromkeys(there, times), "experiment")
        return [leaf.trail for leaf in leaves_of("outer", there.get)]

    assert trails(1.0) == trails(factor)


@given(st.dictionaries(NAMES, NAMES))
def test_a_trail_is_read_as_it_was_written(steps: dict[str, str]) -> None:
    text = written_trail(steps.items())
    if len(text) <= MAX_LENGTH:
        assert read_trail(text) == steps


@given(st.text())
def test_whatever_a_caller_sends_is_a_trail_or_none(text: str) -> None:
    for experiment, arm in read_trail(text).items():
        assert experiment
        assert arm


def test_what_is_no_trail_says_nothing() -> None:
    for text in (None, "", ":", "::", ":model_1:", "a", ":a.:", ":.b:", ":a.b:" * MAX_LENGTH):
        assert read_trail(text) == {}
