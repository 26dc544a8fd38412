"""What an agent does with commands that come late, twice, or from somebody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from harness.agents import AgentRig, World, in_a_world
from harness.control_plane import model
from penstock.proto import agent_pb2 as pb


class Script:
    """An agent that hears commands from a test."""

    def __init__(self, rig: AgentRig) -> None:
        self.rig = rig
        self.said: list[pb.Report] = []

    def welcome(self, scheduler: str = "one", *kept: str) -> None:
        """A scheduler takes the agent in."""

        def hear(message: pb.FromAgent) -> None:
            self.said.append(message.report)

        self.rig.agent.welcomed(pb.Welcome(number=0, scheduler=scheduler, kept=kept), hear)

    async def load(self, revision: int, version: int = 1, python: str = "m:A") -> None:
        """A command to load, and time for it."""
        manifest = json.dumps(model("a", python=python))
        command = pb.Load(revision=revision, model=manifest, version=version)
        self.rig.agent.obey(pb.ToAgent(load=command))
        await asyncio.sleep(1.0)

    async def unload(self, revision: int, name: str, loaded_for: int) -> None:
        """A command to unload, and time for it."""
        command = pb.Unload(revision=revision, name=name, loaded_for=loaded_for)
        self.rig.agent.obey(pb.ToAgent(unload=command))
        await asyncio.sleep(1.0)

    def answers(self) -> list[tuple[str, int, str]]:
        """What was reported since the last look: what, for which revision, and the name."""
        told, self.said = self.said, []
        found = []
        for report in told:
            what = report.WhichOneof("what") or ""
            answer = getattr(report, what)
            found.append((what, answer.revision, getattr(answer, "name", "")))
        return found

    @property
    def names(self) -> list[str]:
        """What is there."""
        return sorted(copy.name for copy in self.rig.agent.registration().copies)


Story = Callable[[Script], Coroutine[Any, Any, None]]


@pytest.fixture
def told(tmp_path: Path) -> Callable[[Story], None]:
    def run(story: Story) -> None:
        async def main(world: World) -> None:
            rig = world.agent()
            rig.following.cancel()
            await asyncio.wait([rig.following])
            script = Script(rig)
            script.welcome()
            await story(script)

        in_a_world(tmp_path, main)

    return run


def test_a_command_that_comes_twice_is_carried_out_once(told: Callable[[Story], None]) -> None:
    async def story(script: Script) -> None:
        await script.load(1)
        await script.load(1)
        assert script.answers() == [("loaded", 1, "a_1"), ("loaded", 1, "a_1")]
        assert len(script.rig.server.loads) == 1

        gate = script.rig.server.held["a"] = asyncio.Event()
        await script.load(2, version=2, python="m:B")
        await script.load(2, version=2, python="m:B")
        gate.set()
        await asyncio.sleep(1.0)
        assert script.answers() == [("loaded", 2, "a_2")]
        assert len(script.rig.server.loads) == 2

    told(story)


def test_an_unload_that_was_overtaken_is_answered_and_not_carried_out(
    told: Callable[[Story], None],
) -> None:
    async def story(script: Script) -> None:
        await script.load(1)
        await script.unload(2, "a_1", loaded_for=1)
        assert script.names == []
        await script.load(3)
        script.answers()

        await script.unload(2, "a_1", loaded_for=1)  # nobody heard of the first
        assert script.answers() == [("unloaded", 2, "")]
        assert script.names == ["a_1"]

        await script.unload(4, "a_1", loaded_for=3)
        assert script.names == []

    told(story)


def test_what_no_command_counts_on_goes_only_while_that_is_so(
    told: Callable[[Story], None],
) -> None:
    async def story(script: Script) -> None:
        await script.load(1)
        script.welcome("two")
        await script.load(1)
        await script.unload(2, "a_1", loaded_for=0)
        assert script.names == ["a_1"], "it has been found right meanwhile"
        script.welcome("three")
        await script.unload(1, "a_1", loaded_for=0)
        assert script.names == []

    told(story)


def test_an_unload_of_what_is_not_there_is_answered(told: Callable[[Story], None]) -> None:
    async def story(script: Script) -> None:
        await script.unload(1, "a_1", loaded_for=7)
        assert script.answers() == [("unloaded", 1, "")]

    told(story)


def test_what_a_scheduler_before_asked_is_not_told_to_the_next(
    told: Callable[[Story], None],
) -> None:
    async def story(script: Script) -> None:
        gate = script.rig.server.held["a"] = asyncio.Event()
        await script.load(1)
        script.welcome("two")
        gate.set()
        await asyncio.sleep(1.0)
        assert script.answers() == []
        assert script.names == ["a_1"]

    told(story)


def test_what_is_kept_is_found_right_for_nothing_else(told: Callable[[Story], None]) -> None:
    async def story(script: Script) -> None:
        await script.load(1)
        script.welcome("one", "a_1")
        await script.load(2, version=2)
        assert script.names == ["a_1", "a_2"]

    told(story)


def test_a_manifest_of_a_release_to_come(told: Callable[[Story], None]) -> None:
    async def story(script: Script) -> None:
        command = pb.Load(revision=1, model='{"kind": "Model", "spec": {"odd": 1}}', version=1)
        script.rig.agent.obey(pb.ToAgent(load=command))
        await asyncio.sleep(1.0)
        (report,) = script.said
        assert report.load_failed.revision == 1
        assert "the release of its scheduler" in report.load_failed.message
        assert not report.load_failed.retriable

    told(story)


def test_what_is_being_unloaded_is_not_found_right(told: Callable[[Story], None]) -> None:
    async def story(script: Script) -> None:
        await script.load(1)
        unloading = asyncio.create_task(script.unload(2, "a_1", loaded_for=1))
        await asyncio.sleep(0)
        await script.load(3)
        await unloading
        assert script.names != []
        assert len(script.rig.server.loads) == 2

    told(story)


def test_a_copy_answers_to_the_version_of_each_command_that_it_is_right_for(
    told: Callable[[Story], None],
) -> None:
    async def story(script: Script) -> None:
        await script.load(1)
        script.welcome("two")
        await script.load(1, version=7)
        assert script.names == ["a_1"]
        assert script.rig.shelf.answers_as == {("a_1", "a", 1), ("a_1", "a", 7)}

    told(story)
