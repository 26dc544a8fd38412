"""Runs a graph and a scenario through the engine and through the oracle, and tells them apart."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import penstock.core.engine
import penstock.joins
from oracle.interpreter import interpret
from oracle.model import Ended, Graph, Produces, Raises, Result, Scenario
from penstock.core.engine import Call
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.records import Absent, Body, Failed, Tensors
from penstock.core.resources import Pipeline
from penstock.core.simulation import Outcome, Simulation
from penstock.testing.joins import Joins
from penstock.testing.scripts import NEVER, Reaction, tensor


def differences(
    graph: Graph,
    scenario: Scenario,
    engine: ModuleType = penstock.core.engine,
    joins: ModuleType = penstock.joins,
) -> list[str]:
    """In what the engine and the oracle do not agree, in words; empty when they do."""
    # Both draw the same jitter then, whenever they draw it.
    scenario = replace(scenario, jitter=())
    wanted = interpret(graph, scenario)
    got = simulated(graph, scenario, engine, joins)
    told = told_by_engine(got)
    return [
        f"{what}: the oracle says {wants}, the engine {told.get(what)}"
        for what, wants in told_by_oracle(wanted).items()
        if told.get(what) != wants
    ] + [
        f"{what}: only the engine says {told[what]}"
        for what in told.keys() - told_by_oracle(wanted)
    ]


def manifest(graph: Graph) -> Pipeline:
    """The graph as its owner would write it."""
    steps: list[dict[str, Any]] = [
        {
            "name": step.name,
            # Models are shared by neighbours, and nothing shall come of it.
            "model": f"m{number // 2}",
            "inputs": list(step.inputs),
            "inputsJoinType": step.join,
            "triggers": list(step.triggers),
            "triggersJoinType": step.triggers_join,
            "joinWindowMs": step.window_ms or 0,
            "tensorMap": dict(step.tensor_map),
            "retries": step.retries,
            "retryBackoffMs": step.backoff_ms,
            "timeoutMs": step.timeout_ms,
            "onError": step.on_error,
            "batch": None
            if step.batch is None
            else {"size": step.batch.size, "windowMs": step.batch.window_ms},
        }
        for number, step in enumerate(graph.steps)
    ]
    spec: dict[str, Any] = {"steps": steps}
    if graph.output is not None:
        spec["output"] = {
            "steps": list(graph.output.steps),
            "stepsJoin": graph.output.join,
            "joinWindowMs": graph.output.window_ms or 0,
            "tensorMap": dict(graph.output.tensor_map),
        }
    return Pipeline.model_validate({"metadata": {"name": graph.name}, "spec": spec})


def simulated(graph: Graph, scenario: Scenario, engine: ModuleType, joins: ModuleType) -> Outcome:
    """What the engine makes of it."""
    registry = Joins(
        inner=joins.inner.InnerJoin, outer=joins.outer.OuterJoin, any=joins.any.AnyJoin
    )
    plan = compile_pipeline(manifest(graph), 1, registry, record="all")

    def react(call: Call) -> Reaction:
        attempts = scenario.behaviours[call.step]
        attempt = attempts[min(call.attempt, len(attempts)) - 1]
        outcome = attempt.outcome
        if isinstance(outcome, Produces):
            names = outcome.names
            return Reaction(
                attempt.duration_ms, lambda c: produced(c, names), attempt.duplicate_after_ms
            )
        if isinstance(outcome, Raises):
            failed = Failed(outcome.code, "as told", None, outcome.retriable)
            return Reaction(attempt.duration_ms, failed, attempt.duplicate_after_ms)
        return NEVER

    simulation = Simulation(react, package=engine)
    outcome = simulation.begin(
        plan,
        tuple(tensor(name) for name in scenario.request),
        deadline_ms=scenario.deadline_ms,
        cancel_ms=scenario.cancel_at_ms,
    )
    simulation.run()
    return outcome


def produced(call: Call, names: tuple[str, ...]) -> Tensors:
    """What a step of a scenario puts out: tokens that say what it was made of."""
    given = ",".join(f"{each.name}={each.parameters['token']}" for each in call.tensors)
    return tuple(tensor(name, f"{call.step}.{name}({given})") for name in names)


def told_by_oracle(result: Result) -> dict[str, object]:
    """Everything there is to compare, by what it is."""
    told: dict[str, object] = {f"port {port}": end_of(end) for port, end in result.ports.items()}
    if result.answer is not None:
        told["answer"] = end_of(result.answer)
    told["calls"] = [
        (float(at_ms), step, attempt, tuple(tensors))
        for at_ms, step, attempt, tensors in result.calls
    ]
    told["dead letters"] = sorted(result.dead_letters, key=str)
    told["closed"] = float(result.closed_ms)
    return told


def end_of(end: Ended) -> tuple[object, ...]:
    """One end, as it is compared."""
    if end.kind == "failed":
        return float(end.time_ms), "failed", end.code, end.step
    return float(end.time_ms), end.kind, tuple(end.tensors)


def told_by_engine(outcome: Outcome) -> dict[str, object]:
    """The same of the engine's outcome."""
    told: dict[str, object] = {}
    for port, records in outcome.ports.items():
        told[f"port {port}"] = end_by_engine(*records[0]) if len(records) == 1 else records
    if outcome.answers:
        at_ms, answer = outcome.answers[0]
        told["answer"] = (
            end_by_engine(at_ms, answer.body) if len(outcome.answers) == 1 else outcome.answers
        )
    told["calls"] = [
        (made.at_ms, made.step, made.attempt, pairs(made.tensors)) for made in outcome.calls
    ]
    told["dead letters"] = sorted(
        ((each.code, each.step) for each in outcome.dead_letters), key=str
    )
    told["closed"] = outcome.closed_ms[0] if len(outcome.closed_ms) == 1 else outcome.closed_ms
    return told


def end_by_engine(at_ms: float, body: Body) -> tuple[object, ...]:
    """One end of the engine's, as it is compared."""
    if isinstance(body, Failed):
        return at_ms, "failed", body.code, body.step
    if isinstance(body, Absent):
        return at_ms, "absent", ()
    return at_ms, "value", pairs(body)


def pairs(tensors: Tensors) -> tuple[tuple[str, str], ...]:
    """Names and tokens."""
    return tuple((each.name, str(each.parameters["token"])) for each in tensors)
