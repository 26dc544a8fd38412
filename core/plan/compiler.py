"""Compiles a validated pipeline into a plan, once, when it is loaded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal

from penstock.core.errors import InvalidRequestError
from penstock.core.joinspec import JoinFactories
from penstock.core.loops import Loop, loops_of, steps_read
from penstock.core.plan.feeds import Feeds, Seat, external_feeds, feeds_of, may_clash
from penstock.core.plan.graph import (
    PIPELINE_SUFFIX,
    Consumer,
    Entrance,
    Feed,
    OrderPlan,
    Plan,
    Recording,
    StepPlan,
)
from penstock.core.plan.joins import JoinMaker
from penstock.core.plan.loop_compiler import Joined, LoopCompiler
from penstock.core.plan.rest import Rest, rest_of
from penstock.core.plan.single_step import (
    batch_plan,
    put_out_nothing,
    settings_of,
    without_attempts,
)
from penstock.core.problems import KeyPath, format_path
from penstock.core.records import Port, PortSide
from penstock.core.references import Source, parse_external, parse_source
from penstock.core.request_key import RequestKey, parse_request_key
from penstock.core.resources import Output, Pipeline, PipelineDeclaration, PipelineInput, Step

INPUTS: Final = Port(None, "inputs")
OUTPUTS: Final = Port(None, "outputs")


MAX_HELD: Final = 1000
"""How many answers of a partition are held back for their order, unless written."""


class PlanError(InvalidRequestError):
    """A pipeline cannot be compiled. ``problems`` are key paths of its manifest, with a sentence
    for each."""

    def __init__(self, name: str, problems: Sequence[tuple[KeyPath, str]]) -> None:
        self.problems = tuple(problems)
        details = [f"{format_path(path)}: {said}" for path, said in problems]
        super().__init__(
            f"pipeline '{name}' cannot be loaded: {'; '.join(details)}", details=details
        )


DEFAULT_EXTERNAL_WINDOW_MS: Final = 60_000.0
"""How long external inputs are waited for: the other side may never have heard of a request."""


def compile_pipeline(
    pipeline: Pipeline,
    version: int,
    joins: JoinFactories,
    *,
    record: Recording,
    read: frozenset[Port] = frozenset(),
    matched: bool = False,
    followed: bool = False,
    tapped: frozenset[Port] = frozenset(),
    spread: bool = False,
    partitions: int = 1,
) -> Plan:
    """The plan of a pipeline that has been validated.

    ``record`` says which ports are kept and hence emit what they hold, beside those that other
    pipelines ``read``; those that are ``tapped`` emit as well. ``followed`` says whether requests
    may be followed; ``partitions`` is how many there are where the manifest does not say.
    ``matched`` says that others match by key what they read of it, over streams: unless its
    manifest says otherwise, its requests then end exactly once and in the order of their keys.
    ``spread`` leaves calls of models to model gateways, so that every port has a stream. Raises
    PlanError with every problem of the joins (unknown names, options that a
    strategy refuses).
    """
    spec = pipeline.spec
    name = pipeline.metadata.name
    maker = JoinMaker(joins)
    key = _key(pipeline)
    joined = [_join_step(step, i, name, maker, key) for i, step in enumerate(spec.steps)]
    if spec.output is not None:
        joined.append(_join_output(spec.output, name, maker, key))
    found = loops_of(pipeline) if spec.allow_cycles else []
    _check_state(pipeline, joined, found, maker)
    entering = None if spec.input is None else _join_external(spec.input, maker)
    if maker.problems:
        raise PlanError(name, maker.problems)
    loops = LoopCompiler(name, [step.name for step in spec.steps], joined, found)
    seats = loops.seats()
    feeds = feeds_of(seats, name)
    kept = _kept(spec.steps, "all" if spread else record) | read
    left = {step.name: settings_of(step) for step in spec.steps if spread and not step.pipeline}
    emitting = kept | tapped
    steps = tuple(
        _step_plan(
            without_attempts(step) if step.name in left else step,
            seats[i],
            joined[i],
            feeds,
            loops,
            version,
            emitting,
        )
        for i, step in enumerate(spec.steps)
    )
    output: Consumer | None = None
    if spec.output is not None:
        output = Consumer(
            index=len(steps),
            place=len(steps),
            name="output",
            inputs=seats[len(steps)].joins[0],
            triggers=None,
            window_ms=joined[-1].window_ms,
            auto_window=joined[-1].auto_window,
            may_clash=False,
        )
    consumers: list[Consumer] = [*steps] if output is None else [*steps, output]
    width = len(consumers)
    entrance_place = len(seats)
    entrance = None
    if entering is not None and spec.input is not None:
        by_key = spec.input.match == "key"
        entrance = _entrance(entering, entrance_place, name, by_key=by_key)
    said = None if spec.dataflow is None else spec.dataflow.partitions
    wanted_partitions = said or (1 if _keeps_for_all(joined) else partitions)
    plan = Plan(
        name=name,
        version=version,
        steps=steps,
        output=output,
        width=width,
        places=len(seats) if entrance is None else len(seats) + 1,
        consumers=consumers,
        input_feeds=in_order(feeds, Port(None, "inputs")),
        keeps_input=INPUTS in emitting,
        keeps_output=OUTPUTS in emitting,
        emits=bool(emitting),
        record=record,
        tapped=tapped - kept,
        pipeline=pipeline,
        variant=lambda ports: compile_pipeline(
            pipeline,
            version,
            joins,
            record=record,
            read=read,
            matched=matched,
            followed=followed,
            tapped=ports,
            spread=spread,
            partitions=partitions,
        ),
        loops=loops.plans(consumers, spec.max_step_revisits + 1, entrance),
        entrance=entrance,
        read=read,
        matched=matched,
        crossings=loops.crossings,
        async_deadline_ms=None if spec.input is None else spec.input.deadline_ms,
        models=tuple(
            dict.fromkeys(step.model_name for step in spec.steps if step.pipeline is None)
        ),
        pipelines=tuple(
            dict.fromkeys(step.pipeline for step in spec.steps if step.pipeline is not None)
        ),
        key=key,
        keeping=tuple(each for each in consumers[:width] if each.inputs.kept is not None),
        rest=_rest(pipeline) if any(each.auto_window for each in joined) else (),
        partitions=wanted_partitions,
        order=_order_plan(spec, wanted_partitions, matched=matched),
        called_elsewhere=left,
    )
    if not followed:
        return plan
    all_emit = compile_pipeline(
        pipeline,
        version,
        joins,
        record="all",
        matched=matched,
        partitions=partitions,
        spread=spread,
    )
    return replace(plan, followed=all_emit)


def _keeps_for_all(joined: Iterable[Joined]) -> bool:
    """Whether some join keeps state for all requests."""
    return any(each.kept is not None and not each.kept.by_key for each in joined)


def _order_plan(spec: PipelineDeclaration, partitions: int, *, matched: bool) -> OrderPlan | None:
    output = spec.output
    if output is None:
        return None
    order = output.order
    if order is None and matched and spec.delivery != "at-least-once":
        order = "key"
    if order is None:
        return None
    return OrderPlan(order == "key", partitions, output.max_held or MAX_HELD)


def _check_state(
    pipeline: Pipeline, joined: Sequence[Joined], loops: Sequence[Loop], maker: JoinMaker
) -> None:
    """Refuse state where it cannot be kept: in loops."""
    spec = pipeline.spec
    around = {name for loop in loops for name in (*loop.steps, *loop.readers)}
    for index, step in enumerate(spec.steps):
        if step.name in around:
            where: KeyPath = ("spec", "steps", index, "inputsJoinType")
            at = "and cannot be in a loop or read one; put a step of its own between"
            maker.refuse_state(joined[index].strategy, step.inputs_join_type, where, at)
    if spec.output is not None and None in around:
        where = ("spec", "output", "stepsJoin")
        at = "and cannot read a loop; put a step of its own between"
        maker.refuse_state(joined[-1].strategy, spec.output.steps_join, where, at)


def _rest(pipeline: Pipeline) -> Rest:
    steps = pipeline.spec.steps
    read = {
        step.name: steps_read((*step.inputs, *step.triggers), pipeline.metadata.name)
        for step in steps
    }
    return rest_of([step.name for step in steps], read)


def _key(pipeline: Pipeline) -> RequestKey | None:
    section = pipeline.spec.input
    if section is None or section.key is None:
        return None
    return parse_request_key(section.key, pipeline=pipeline.metadata.name)


def _entrance(joined: Joined, place: int, pipeline: str, *, by_key: bool) -> Entrance:
    seat = joined.seat(place)
    return Entrance(
        index=place,
        place=place,
        name="input",
        inputs=seat.joins[0],
        triggers=seat.joins[1],
        window_ms=joined.window_ms,
        may_clash=may_clash(joined.inputs, joined.tensor_map, pipeline),
        feeds=external_feeds(seat, pipeline),
        by_key=by_key,
    )


def _kept(steps: Iterable[Step], record: Recording) -> frozenset[Port]:
    """The ports that ``record`` says are kept."""
    if record == "none":
        return frozenset()
    if record == "boundary":
        return frozenset({INPUTS, OUTPUTS})
    sides: tuple[PortSide, ...] = ("inputs", "outputs")
    return frozenset(Port(name, side) for name in _names(steps) for side in sides)


def _names(steps: Iterable[Step]) -> list[str | None]:
    """Whose ports there are: the pipeline's own, and the steps'."""
    return [None, *(step.name for step in steps)]


def _step_plan(
    step: Step,
    seat: Seat,
    joined: Joined,
    feeds: Feeds,
    loops: LoopCompiler,
    version: int,
    emitting: frozenset[Port],
) -> StepPlan:
    inputs, outputs = Port(step.name, "inputs"), Port(step.name, "outputs")
    input_feeds = in_order(feeds, inputs)
    watched_inputs = inputs in emitting or loops.watches(inputs)
    clash = may_clash(joined.inputs, joined.tensor_map, loops.pipeline)
    batch = batch_plan(step, loops.pipeline, version)
    begins_plainly = step.timeout_ms is None and batch is None
    return StepPlan(
        index=seat.place,
        place=seat.place,
        name=step.name,
        inputs=seat.joins[0],
        triggers=seat.joins[1],
        window_ms=joined.window_ms,
        auto_window=joined.auto_window,
        may_clash=clash,
        model=step.model_name if step.pipeline is None else step.pipeline + PIPELINE_SUFFIX,
        timeout_ms=step.timeout_ms,
        retries=step.retries,
        backoff_ms=step.retry_backoff_ms,
        batch=batch,
        failure_is_absence=step.on_error == "absent",
        input_feeds=input_feeds,
        output_feeds=in_order(feeds, outputs),
        keeps_inputs=inputs in emitting,
        keeps_outputs=outputs in emitting,
        watched_inputs=watched_inputs,
        watched_outputs=outputs in emitting or loops.watches(outputs),
        loop=loops.member(step.name),
        put_out_nothing=put_out_nothing(step.name),
        begins_plainly=begins_plainly,
        plain=begins_plainly and not (input_feeds or clash or watched_inputs),
    )


def in_order(feeds: Feeds, port: Port) -> tuple[Feed, ...]:
    """The feeds of one port, in the order of the consumers."""
    return tuple(feeds.get(port, {}).values())


def _join_step(
    step: Step, index: int, pipeline: str, maker: JoinMaker, key: RequestKey | None
) -> Joined:
    at = ("spec", "steps", index)
    inputs = _sources(step.inputs or (pipeline,), pipeline)
    triggers = _sources(step.triggers, pipeline)
    strategy = maker.strategy(step.inputs_join_type, inputs, (*at, "inputsJoinType"))
    triggers_strategy = (
        maker.strategy(step.triggers_join_type, triggers, (*at, "triggersJoinType"))
        if triggers
        else None
    )
    if triggers_strategy is not None:
        where = (*at, "triggersJoinType")
        said = "and triggers are joined within one request; join them as inputs of a step"
        maker.refuse_state(triggers_strategy, step.triggers_join_type, where, said)
    if step.join_window_ms == "auto":
        maker.check_auto_window(
            (*at, "joinWindowMs"), (strategy, inputs), (triggers_strategy, triggers)
        )
    return Joined(
        inputs,
        triggers,
        step.tensor_map,
        strategy,
        triggers_strategy,
        *_window(step.join_window_ms),
        maker.kept(
            strategy,
            inputs,
            step.tensor_map,
            step.inputs_join_type,
            step.name,
            key,
            (*at, "inputsJoinType"),
        ),
    )


def _join_output(output: Output, pipeline: str, maker: JoinMaker, key: RequestKey | None) -> Joined:
    sources = _sources(output.steps, pipeline)
    strategy = maker.strategy(output.steps_join, sources, ("spec", "output", "stepsJoin"))
    if output.join_window_ms == "auto":
        maker.check_auto_window(("spec", "output", "joinWindowMs"), (strategy, sources))
    where = ("spec", "output", "stepsJoin")
    kept = maker.kept(strategy, sources, output.tensor_map, output.steps_join, pipeline, key, where)
    return Joined(
        sources, (), output.tensor_map, strategy, None, *_window(output.join_window_ms), kept
    )


def _window(written: int | Literal["auto"] | None) -> tuple[float | None, bool]:
    return (math.inf, True) if written == "auto" else (written, False)


def _join_external(section: PipelineInput, maker: JoinMaker) -> Joined | None:
    if not section.external_inputs:
        return None
    inputs = tuple(map(parse_external, section.external_inputs))
    triggers = tuple(map(parse_external, section.external_triggers))
    at = ("spec", "input")
    strategy = maker.strategy(section.join_type, inputs, (*at, "joinType"))
    said = (
        "and what comes of other pipelines is joined within one request; write joinType: any, and "
        "join by it in a step that reads the input"
    )
    maker.refuse_state(strategy, section.join_type, (*at, "joinType"), said)
    triggers_strategy = (
        maker.strategy(section.triggers_join_type, triggers, (*at, "triggersJoinType"))
        if triggers
        else None
    )
    window_ms = section.join_window_ms or DEFAULT_EXTERNAL_WINDOW_MS
    return Joined(
        inputs, triggers, section.tensor_map, strategy, triggers_strategy, window_ms, False
    )


def _sources(references: Iterable[str], pipeline: str) -> tuple[Source, ...]:
    return tuple(parse_source(text, pipeline=pipeline) for text in references)
