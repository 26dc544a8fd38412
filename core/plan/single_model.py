"""The plan of a model that is called on its own."""

from __future__ import annotations

from dataclasses import replace

from penstock.core.joinspec import JoinFactories, make_join
from penstock.core.plan.graph import Consumer, Feed, Part, Plan, StepPlan
from penstock.core.plan.joins import INNER, join_plan
from penstock.core.records import Absent, Port


def compile_model(
    name: str,
    version: int,
    joins: JoinFactories,
    *,
    followed: bool = False,
    tapped: frozenset[Port] = frozenset(),
) -> Plan:
    """One step of the model's name, and its output. ``followed``: its requests may be followed;
    ``tapped``: what comes in (``Port(None, "inputs")``) or what goes out emits what it holds."""
    plan = replace(
        _plan(name, version, joins, tapped, emits=False),
        variant=lambda ports: compile_model(name, version, joins, followed=followed, tapped=ports),
    )
    if not followed:
        return plan
    return replace(plan, followed=_plan(name, version, joins, tapped, emits=True))


def _plan(
    name: str, version: int, joins: JoinFactories, tapped: frozenset[Port], *, emits: bool
) -> Plan:
    inputs = join_plan(make_join(INNER, joins), (f"{name}.inputs",))
    # Asked once: the other one is the same, but for what it has decided by then.
    outputs = replace(
        inputs,
        references=(f"{name}.outputs",),
        decisions=None if inputs.decisions is None else {},
    )
    whole = Part(0, None, None, None, Absent("the request has no tensors", "left-out"))
    output = Consumer(
        index=1,
        place=1,
        name="output",
        inputs=outputs,
        triggers=None,
        window_ms=None,
        may_clash=False,
    )
    step = StepPlan(
        index=0,
        place=0,
        name=name,
        inputs=inputs,
        triggers=None,
        window_ms=None,
        may_clash=False,
        model=name,
        timeout_ms=None,
        retries=0,
        backoff_ms=0.0,
        batch=None,
        failure_is_absence=False,
        input_feeds=(),
        output_feeds=(Feed(1, (whole,), (), direct=True, whole=True),),
        keeps_inputs=emits,
        keeps_outputs=emits,
        watched_inputs=emits,
        watched_outputs=emits,
        loop=None,
        put_out_nothing=Absent(f"model '{name}' put out nothing", "left-out"),
        begins_plainly=True,
        plain=not emits,
    )
    return Plan(
        name=name,
        version=version,
        steps=(step,),
        output=output,
        width=2,
        places=2,
        consumers=[step, output],
        input_feeds=(Feed(0, (whole,), (), direct=True, whole=True),),
        keeps_input=Port(None, "inputs") in tapped,
        keeps_output=Port(None, "outputs") in tapped,
        emits=bool(tapped),
        tapped=tapped,
        single_model=True,
        models=(name,),
    )
