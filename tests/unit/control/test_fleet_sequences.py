"""Servers and models come, change and go in any order: at rest nothing fits that is not there."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.control_plane import FakeKind, Plane, control_plane, model, server
from penstock.core.errors import InvalidRequestError

MIB = 1024 * 1024

servers = st.builds(
    lambda name, replicas, memory, speed, words: server(
        name,
        replicas=replicas,
        options={"speed": speed},
        extraCapabilities=words,
        **({"memory": f"{memory}Mi"} if memory else {}),
    ),
    st.sampled_from("st"),
    st.integers(0, 3),
    st.sampled_from([0, 10, 20]),
    st.integers(1, 2),
    st.sampled_from([[], ["gpu"]]),
)
models = st.builds(
    lambda name, python, replicas, memory, words, least: model(
        name,
        python=python,
        replicas=replicas,
        requirements=["fake", *words],
        **({"memory": f"{memory}Mi"} if memory else {}),
        **({"minReplicas": least} if least else {}),
    ),
    st.sampled_from("abcd"),
    st.sampled_from(["m:A", "m:B"]),
    st.integers(1, 3),
    st.sampled_from([0, 6, 10]),
    st.sampled_from([[], ["gpu"]]),
    st.integers(0, 2),
)
deletions = st.tuples(st.sampled_from(["Server", "Model"]), st.sampled_from("stabcd"))
steps = st.lists(st.one_of(servers, models, deletions), min_size=1, max_size=8)
failures = st.sets(st.tuples(st.sampled_from("abcd"), st.integers(0, 5)), max_size=3)


@settings(max_examples=150, deadline=None)
@given(steps, failures)
def test_at_rest_what_fits_is_there(changes: list[Any], failing: set[tuple[str, int]]) -> None:
    asyncio.run(scenario(changes, failing))


async def scenario(changes: list[Any], failing: set[tuple[str, int]]) -> None:
    fakes = Fakes(failing)
    with tempfile.TemporaryDirectory() as folder:
        async with control_plane(Path(folder), kinds={"fake": fakes}) as plane:
            for change in changes:
                if isinstance(change, dict):
                    await plane.apply(change)
                elif any(
                    (each["kind"], each["metadata"]["name"]) == change
                    for each in plane.control.list(None)
                ):
                    await plane.control.delete(*change, force=True)
                await plane.settle()
                await plane.quiet()
                await plane.turns()
                check(plane, fakes)
    assert fakes.running == []


class Fakes(FakeKind):
    """Replicas of which some refuse some models, by the number of the replica."""

    def __init__(self, failing: set[tuple[str, int]]) -> None:
        super().__init__("fake")
        self._failing = failing

    def __call__(self, options: Any) -> Any:
        made = super().__call__(options)
        for name, number in self._failing:
            if number == len(self.made) - 1:
                made.failing[name] = [InvalidRequestError("it is refused here")]
        return made


def check(plane: Plane, fakes: FakeKind) -> None:
    replicas = [each for each in plane.control._fleet if each.key.server != "inprocess"]
    wanted = sum(each["spec"].get("replicas", 1) for each in plane.control.list("Server"))
    assert len(fakes.running) == len(replicas) == wanted
    for replica in replicas:
        loaded = replica.adapter.loaded  # type: ignore[attr-defined]
        assert set(loaded) == set(replica._held), "what is held is loaded, and nothing else"
        assert replica.used_bytes == sum(each.memory_bytes for each in replica._held.values())
        assert replica.memory_bytes is None or replica.used_bytes <= replica.memory_bytes
    for place in plane.control._models._places.values():
        versions = [each for each in (place.serving, place.coming, place.held) if each is not None]
        newest = versions[-1]
        spec = place.wanted.model.spec
        ready = plane.reason("Model", place.wanted.model.name) == "Serving"
        assert ready == any(
            each.ready or (each is place.serving and each.loaded) for each in versions
        )
        if newest.loaded >= newest.wanted or len(newest._refused) >= 3:
            continue
        for replica in replicas:
            assert replica in newest._refused or not fits(replica, spec, place.wanted), (
                f"{place.wanted.model.name} has {newest.loaded} of {newest.wanted} copies, "
                f"and one fits on {replica.key}"
            )


def fits(replica: Any, spec: Any, wanted: Any) -> bool:
    if not frozenset(spec.requirements) <= replica.capabilities:
        return False
    if (wanted.model.name, wanted.version) in replica.versions:
        return False
    if spec.memory is None or replica.memory_bytes is None:
        return True
    return bool(replica.memory_bytes - replica.used_bytes >= spec.memory)
