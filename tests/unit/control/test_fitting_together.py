"""Whatever models change in whatever order: what serves fits, and what can serve does."""

from __future__ import annotations

import asyncio
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.control_plane import Plane, control_plane, model, pipeline
from penstock.core.signature import Signature, TensorSpec

MODELS = ("a", "b", "c", "d")
CHAINS = ("abc", "ad", "ba", "cd", "abcd", "b")

ends = st.sampled_from(["FP32", "FP64"])
changes = st.one_of(
    st.tuples(st.sampled_from(MODELS), st.tuples(ends, ends)),
    st.tuples(st.sampled_from(["p", "q"]), st.sampled_from(CHAINS)),
)
applies = st.lists(st.lists(changes, min_size=1, max_size=4, unique_by=lambda each: each[0]))


class World:
    """What was applied, beside the plane that it was applied to."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.ends = dict.fromkeys(MODELS, ("FP32", "FP32"))
        self.chains = {"p": "ab", "q": "cd"}
        self.count = 0

    async def apply(self, changed: list[tuple[str, Any]]) -> None:
        documents = []
        for name, what in changed:
            self.count += 1
            if name in MODELS:
                self.ends[name] = what
                taken, given = (TensorSpec("x", datatype) for datatype in what)
                self.plane.server.signatures[name] = Signature((taken,), (given,))
                documents.append(model(name, python=f"models:V{self.count}"))
            else:
                self.chains[name] = what
                documents.append(pipeline(name, *what))
        await self.plane.apply(*documents)

    def served_ends(self, name: str) -> tuple[str, str]:
        signature = self.plane.control._models.signature(name)
        assert signature is not None
        assert signature.inputs is not None
        assert signature.outputs is not None
        return str(signature.inputs[0].datatype), str(signature.outputs[0].datatype)

    def steps_of(self, name: str) -> list[str]:
        place = self.plane.control._pipelines._places[name]
        return [] if place.serving is None else [s.model for s in place.serving.plan.steps]


def fit(chain: Any, ends: Any) -> bool:
    return all(ends[one][1] == ends[other][0] for one, other in pairwise(chain))


async def scenario(all_changes: list[list[tuple[str, Any]]], order: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with control_plane(Path(folder)) as plane:
            world = World(plane)
            start = [*world.ends.items(), *world.chains.items()]
            for changed in [start, *all_changes]:
                ready = {name for name in world.chains if world.count and world.steps_of(name)}
                gates = plane.server.held = {name: asyncio.Event() for name in MODELS}
                await world.apply(changed)
                for name in order:
                    await plane.turns()
                    gates[name].set()
                left = await plane.settle()
                await plane.quiet()
                check(world, left, ready - {name for name, _ in changed})


def check(world: World, left: list[str], were_ready: set[str]) -> None:
    served = {name: world.served_ends(name) for name in MODELS}
    for name in world.chains:
        steps = world.steps_of(name)
        assert fit(steps, served), f"{name} serves {steps} over {served}"
        assert steps or name not in were_ready, f"{name} was broken by others"
    if all(fit(chain, world.ends) for chain in world.chains.values()):
        assert left == [], "what was applied last fits, and does not serve"
    serving = {(name, world.plane.control._models._places[name].serving) for name in MODELS}
    expected = {(name, loaded.version) for name, loaded in serving if loaded is not None}
    assert set(world.plane.server.loaded) == expected


# What breaks one pipeline, and what breaks another that shares a model with it.
@example(
    [
        [("b", ("FP32", "FP64")), ("q", "abc")],
        [
            ("c", ("FP32", "FP64")),
            ("p", "cd"),
            ("a", ("FP32", "FP64")),
            ("d", ("FP64", "FP32")),
        ],
        [("a", ("FP32", "FP32")), ("b", ("FP32", "FP32"))],
    ],
    ["a", "b", "c", "d"],
)
# A pipeline comes to serve a version while those of its models are judged.
@example(
    [
        [("a", ("FP32", "FP32")), ("c", ("FP64", "FP32"))],
        [("d", ("FP64", "FP32")), ("b", ("FP32", "FP32")), ("q", "abc")],
        [
            ("b", ("FP32", "FP32")),
            ("c", ("FP32", "FP64")),
            ("a", ("FP32", "FP64")),
            ("p", "cd"),
        ],
    ],
    ["a", "c", "d", "b"],
)
@settings(max_examples=100, deadline=None)
@given(applies, st.permutations(MODELS))
def test_what_serves_fits_and_what_fits_serves(
    all_changes: list[list[tuple[str, Any]]], order: list[str]
) -> None:
    asyncio.run(scenario(all_changes, order))
