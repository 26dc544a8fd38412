"""Joins of steps that keep state, in pipelines that read others."""

from __future__ import annotations

from harness.gateway_world import Caller, GatewayWorld
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.errors import DeadlineError, NoOutputError
from penstock.core.inference import InferenceResponse
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.pipeline_gateway.target import ServedTarget
from unit.gateway.test_readers import Model, token

KEYED = {"key": "x-who"}


def test_what_one_pipeline_brought_is_joined_with_what_another_brings_later() -> None:
    """Each record begins a passage of its own; a step of theirs joins them by key."""

    async def main(clock: VirtualClock) -> None:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        for name, made in (("orders", "order"), ("customers", "customer"), ("join", "y")):
            at.models.publish(name, 1, Model(made))
        for name in ("orders", "customers"):
            chain = {"steps": [{"name": "s", "model": name}], "output": {"steps": ["s"]}}
            at.pipeline(name, {**chain, "input": KEYED}, "boundary")
        join = {
            "name": "join",
            "inputs": ["p.inputs.order", "p.inputs.customer"],
            "inputsJoinType": "latest",
        }
        section = {"externalInputs": ["orders", "customers"], "joinType": "any", **KEYED}
        spec = {"input": section, "steps": [join], "output": {"steps": ["join"]}}
        at.pipeline("p", spec, "boundary")
        answers = []
        sent = [("customers", "u"), ("orders", "u"), ("orders", "v"), ("customers", "v")]
        for name, who in sent:
            caller = Caller(at)
            caller.send(name, headers={"x-who": who})
            await at.gateway.drain()
            assert caller.ticket is not None
            answers.append(at.desk.story(caller.ticket.identity, "p").result)
        assert isinstance(answers[1], InferenceResponse)
        (joined,) = answers[1].tensors
        assert token(joined) == "join.y(s.order(x),s.customer(x))"
        assert [type(each) for each in answers if each is not answers[1]] == [NoOutputError] * 3

    in_virtual_time(main)


def test_a_passage_that_never_has_its_input_leaves_no_state() -> None:
    async def main(clock: VirtualClock) -> None:
        at = GatewayWorld(clock, GatewayLimits(), most_per_model=256)
        for name in ("a", "b", "join"):
            at.models.publish(name, 1, Model("y"))
            chain = {"steps": [{"name": "s", "model": name}], "output": {"steps": ["s"]}}
            at.pipeline(f"of-{name}", {**chain, "input": KEYED}, "boundary")
        join = {"name": "join", "inputs": ["p.inputs.y", "p.inputs.z"], "inputsJoinType": "latest"}
        section = {"externalInputs": ["of-a", "of-b"], "deadlineMs": 20, **KEYED}
        at.pipeline(
            "p", {"input": section, "steps": [join], "output": {"steps": ["join"]}}, "boundary"
        )
        caller = Caller(at)
        caller.send("of-a", headers={"x-who": "u"})
        await at.gateway.drain()
        assert caller.ticket is not None
        assert isinstance(at.desk.story(caller.ticket.identity, "p").result, DeadlineError)
        target = at.gateway.resolve("p")
        assert isinstance(target, ServedTarget)
        deployment = target.deployment
        assert deployment is not None
        (kept,) = deployment.plan.kept_joins
        assert len(at.dataflow.engine.states.store_of("p", kept)) == 0

    in_virtual_time(main)
