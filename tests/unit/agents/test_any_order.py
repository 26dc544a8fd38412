"""Whatever happens to agents, their schedulers and what is between them, in any order."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from harness.agents import AgentRig, FarInstance, World, in_a_world
from harness.control_plane import model
from penstock.core.errors import PenstockError
from penstock.core.fleet import copies_of

MODELS: Final = ("a", "b", "c")
SEATS: Final = (0, 1)

EXAMPLES: Final = int(os.environ.get("PENSTOCK_EXAMPLES", "100"))

seats = st.sampled_from(SEATS)
models = st.sampled_from(MODELS)

steps = st.one_of(
    st.tuples(st.just("cut"), seats),
    st.tuples(st.just("muffle"), seats),
    st.tuples(st.just("mend"), seats),
    st.tuples(st.just("kill"), seats),
    st.tuples(st.just("leave"), seats),
    st.tuples(st.just("begin"), seats),
    st.tuples(st.just("apply one"), models),
    st.tuples(st.just("apply two"), models),
    st.tuples(st.just("delete"), models),
    st.tuples(st.just("restart"), st.just("scheduler")),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 2.0, 13.0])),
)


class Tale:
    """The world, and what should be in it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.wanted: dict[str, str] = {}
        self.rigs: dict[int, AgentRig] = {}

    async def step(self, what: str, subject: int | str | float) -> None:
        """Something happens."""
        rig = self.rigs.get(subject) if isinstance(subject, int) else None
        match what:
            case "wait":
                await self.world.after(float(subject))
            case "restart":
                await self.world.kill_scheduler()
                await self.world.after(0.5)
                await self.world.start_scheduler()
                for name, python in self.wanted.items():
                    await self.world.scheduler.apply(model(name, python=python))
            case "apply one" | "apply two":
                self.wanted[str(subject)] = "m:One" if what == "apply one" else "m:Two"
                python = self.wanted[str(subject)]
                await self.world.scheduler.apply(model(str(subject), python=python))
            case "delete":
                if self.wanted.pop(str(subject), None) is not None:
                    await self.world.scheduler.control.delete("Model", str(subject), force=True)
            case "begin":
                if rig is None:
                    self.begin(int(subject))
            case _ if rig is not None:
                await self.befall(what, int(subject), rig)
        await self.world.after(0.1)
        self.what_is_called_is_there()

    def begin(self, seat: int) -> None:
        self.rigs[seat] = self.world.agent(number=seat)

    async def befall(self, what: str, seat: int, rig: AgentRig) -> None:
        """Something happens to an agent."""
        match what:
            case "cut":
                rig.cut = True
            case "muffle":
                rig.muffled = True
            case "mend":
                rig.cut = rig.muffled = False
            case "kill":
                del self.rigs[seat]
                await rig.kill()
            case "leave":
                del self.rigs[seat]
                rig.agent.leave()
                await self.world.after(2.0)
                await rig.kill()

    def what_is_called_is_there(self) -> None:
        """Calls go to copies that are loaded, as long as their process is there."""
        for name in MODELS:
            served = self.world.scheduler.models.slot(name).served
            for copy in () if served is None else copies_of(served.instance):
                assert isinstance(copy, FarInstance)
                copy.check()

    async def all_is_well(self) -> None:
        """Once nothing more befalls anybody, what is wanted is there, once, and nothing else."""
        for rig in self.rigs.values():
            rig.cut = rig.muffled = False
        if not self.rigs:
            self.begin(0)
        await self.world.after(150.0)
        for name, python in self.wanted.items():
            found = self.world.scheduler.condition("Model", name)
            assert found is not None
            assert found[0] == "True", found
            answer = await self.world.scheduler.call(name)
            assert not isinstance(answer, PenstockError), answer
            held = [
                instance.spec.python
                for rig in self.rigs.values()
                for instance in (*rig.server.loaded.values(), *rig.server.beside)
                if instance.spec.name == name
            ]
            assert held == [python]
        there = {name for rig in self.rigs.values() for name, _ in rig.held}
        assert there == set(self.wanted)


@settings(deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, max_size=25))
def test_any_order(story: list[tuple[str, int | str | float]]) -> None:
    async def tell(world: World) -> None:
        tale = Tale(world)
        tale.begin(0)
        await world.after(0.5)
        for what, subject in story:
            note(f"{what} {subject}")
            await tale.step(what, subject)
        await tale.all_is_well()

    with tempfile.TemporaryDirectory() as folder:
        in_a_world(Path(folder), tell)
