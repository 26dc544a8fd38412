"""Readers in cases: they are in the file, and what was recorded of them comes again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.builtin import builtin_entry_points
from harness.gateway_world import Act, Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.cases import Case, CaseExporter, read_case, write_case
from penstock.core.cases.player import Played, PlayOptions, play
from penstock.core.clock import VirtualClock
from penstock.core.config import Config
from penstock.core.journal.documents import whole
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.plugins.manager import assemble
from penstock.core.plugins.plugins import Plugins
from penstock.core.records import Absent

SOURCE = {
    "steps": [{"name": "quick"}, {"name": "slow", "inputs": ["quick"]}],
    "output": {"steps": ["slow"]},
}


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return assemble(Config(), entry_points=builtin_entry_points())


def reader(*inputs: str, step: str = "now", **section: Any) -> dict[str, Any]:
    given = {"externalInputs": list(inputs), **section}
    return {"input": given, "steps": [{"name": step}], "output": {"steps": [step]}}


def recorded(readers: dict[str, dict[str, Any]], record: Any = "all") -> Case:
    """A request over models that take 3, 10 and no milliseconds, or fail, in ``p`` and in those
    that read it."""

    async def main(clock: VirtualClock) -> Case:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        at.model("quick", [Act("after", 3.0)])
        at.model("slow", [Act("after", 10.0)])
        at.model("now", [Act("now")])
        at.model("broken", [Act("fails", 1.0)])
        at.pipeline("p", SOURCE, record="all")
        for name, spec in readers.items():
            at.pipeline(name, spec, record=record)
        caller = Caller(at)
        caller.send("p")
        await at.gateway.drain()
        await asyncio.sleep(100.0)
        assert caller.ticket is not None
        story, *others = at.journal.find(caller.ticket.identity)
        exporter = CaseExporter(lambda kind, name: None, {}, {}, at.journal.find)
        return read_case(write_case(exporter.case(story, [], others)), "p.penstock")

    return in_virtual_time(main)


def again(case: Case, plugins: Plugins) -> Played:
    return asyncio.run(play(case, plugins, PlayOptions("recorded")))


SILENT = {key: part for key, part in reader("p.outputs.nothing").items() if key != "output"}
READERS: dict[str, dict[str, dict[str, Any]]] = {
    "one": {"r": reader("p")},
    "a step, and what went into one": {
        "r": reader("p.step.quick", "p.step.slow.inputs", joinType="any")
    },
    "a reader of a reader": {"r": reader("p.step.quick"), "s": reader("r")},
    "both": {
        "s": reader("p.outputs.y", "r.outputs.y", tensorMap={"r.outputs.y": "other"}),
        "r": reader("p.step.quick", step="slow"),
    },
    "absent": {"r": reader("p.outputs.nothing")},
    "failing": {
        "r": reader("p", step="broken"),
        "s": reader("r"),
        "t": reader("r", "p", joinType="any"),
    },
    "a window": {
        "other": {"steps": [{"name": "now"}], "output": {"steps": ["now"]}},
        "r": reader("p.outputs.y", "other.outputs.z", joinType="outer", joinWindowMs=20),
    },
    "a trigger": {"r": reader("p.inputs", externalTriggers=["p"])},
    "nobody to answer": {"r": SILENT},
}


@pytest.mark.parametrize("readers", READERS.values(), ids=READERS)
def test_what_was_recorded_comes_again(readers: dict[str, Any], plugins: Plugins) -> None:
    case = recorded(readers)
    wanted = {name for name in readers if name != "other"}
    assert {story.pipeline for story in case.readers} == wanted
    played = again(case, plugins)
    assert list(map(str, played.differences)) == []
    assert played.answer_is_the_same
    assert {story.pipeline for story in played.readers} == wanted
    then = {story.pipeline: whole(story) for story in case.readers}
    for story in played.readers:
        now = whole(story)
        before = then[story.pipeline]
        for key in ("outcome", "begun_by", "records", "error", "visits", "took_ms"):
            assert now[key] == before[key], key


def test_readers_come_after_all_that_they_read(plugins: Plugins) -> None:
    one = reader("p.inputs", "s.outputs.y", tensorMap={"s.outputs.y": "other"})
    case = recorded({"r": one, "s": reader("p", step="slow")})
    assert [story.pipeline for story in case.readers] == ["r", "s"], "as they began"
    assert [story.pipeline for story in again(case, plugins).readers] == ["s", "r"]


KEYED = {
    "input": {"key": "x-key"},
    "steps": [{"name": "now"}],
    "output": {"steps": ["now"], "order": "key"},
}
PAIR = reader("other.outputs.y", "p.outputs.y", match="key", tensorMap={"other.outputs.y": "o"})


def test_a_request_that_others_began_is_played_from_what_they_brought(plugins: Plugins) -> None:
    async def main(clock: VirtualClock) -> tuple[Case, Case]:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        at.model("now", [Act("now")])
        for name in ("other", "p"):
            at.pipeline(name, KEYED, record="boundary")
        at.pipeline("r", PAIR, record="all")
        callers = [Caller(at) for _ in range(2)]
        for name, caller in zip(("other", "p"), callers, strict=True):
            caller.send(name, headers={"x-key": "k"})
        await at.gateway.drain()
        assert callers[0].ticket is not None
        _, story = at.journal.find(callers[0].ticket.identity)
        assert [str(each.port) for each in story.brought] == ["other.outputs", "p.outputs"]
        cases = []
        for known in (at.journal.find, lambda identity: ()):
            exporter = CaseExporter(lambda kind, name: None, {}, {}, known)
            cases.append(read_case(write_case(exporter.case(story, [])), "r.penstock"))
        return cases[0], cases[1]

    known, forgotten = in_virtual_time(main)
    assert all(each.body is not None for each in known.story.brought)
    played = again(known, plugins)
    assert list(map(str, played.differences)) == []
    assert played.story.begun_by == known.story.begun_by
    # Without what they brought, what had been made of it comes in.
    assert "is not remembered any more" in forgotten.missing[0]
    assert list(map(str, again(forgotten, plugins).differences)) == []


def test_a_reader_whose_steps_were_not_recorded_is_not_played_back(plugins: Plugins) -> None:
    case = recorded({"r": reader("p"), "s": reader("r")}, record="boundary")
    played = again(case, plugins)
    assert (played.readers, played.differences) == ([], [])
    assert [each.split(":")[0] for each in played.left_out] == [
        "pipeline 'r', which read it",
        "pipeline 's', which read it",
    ]


def test_what_differs_at_a_reader_says_whose_it_is(plugins: Plugins) -> None:
    case = recorded({"r": reader("p")})
    [story] = case.readers
    story.records[-1] = story.records[-1]._replace(body=Absent("left out", "left-out"))
    played = again(case, plugins)
    assert list(map(str, played.differences)) == ["r: outputs: was absent (left-out), is a value"]
    assert not played.answer_is_the_same
