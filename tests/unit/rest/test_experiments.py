"""Experiments over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.control import resource
from harness.asgi import ask

if TYPE_CHECKING:
    from .conftest import RestRig

PATH = "/v1/experiments/trial"


async def test_a_report_is_asked_for(rig: RestRig) -> None:
    rig.control.put(resource("Experiment", "trial"))
    answer = await ask(rig.app, "GET", f"{PATH}/report")
    assert answer.status == 200
    assert answer.json == rig.control.compare_arms("trial", None, 0.95)
    answer = await ask(rig.app, "GET", f"{PATH}/report?baseline=new&confidence=0.9")
    assert (answer.json["baseline"], answer.json["confidence"]) == ("new", 0.9)


async def test_an_arm_is_given_everything(rig: RestRig) -> None:
    rig.control.put(resource("Experiment", "trial"))
    answer = await ask(rig.app, "POST", f"{PATH}/settle?arm=new")
    assert (answer.status, answer.json["kind"]) == (200, "Experiment")
    await ask(rig.app, "POST", f"{PATH}/settle")
    assert rig.control.settled == [("trial", "new"), ("trial", None)]


async def test_what_is_wrong_with_it(rig: RestRig) -> None:
    assert (await ask(rig.app, "GET", f"{PATH}/report")).status == 404
    rig.control.put(resource("Experiment", "trial"))
    for confidence in ("much", "95"):
        answer = await ask(rig.app, "GET", f"{PATH}/report?confidence={confidence}")
        assert (answer.status, answer.json["code"]) == (400, "invalid-request")
    origin = {"origin": "https://example.org"}
    assert (await ask(rig.app, "POST", f"{PATH}/settle", b"", origin)).status == 403
    assert rig.control.settled == []
