"""Compiles a validated pipeline into a plan, once, when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from penstock.core.contracts.join import JoinStrategy, JoinView, Run, SourceState, SourceView
from penstock.core.engine.joining import ask
from penstock.core.errors import InvalidRequestError
from penstock.core.joinspec import JoinFactories, JoinSpec, make_join
from penstock.core.plan.graph import Consumer, Feed, JoinPlan, Part, Plan, StepPlan
from penstock.core.problems import KeyPath, format_path
from penstock.core.records import Absent, Port
from penstock.core.references import Source, parse_source, parse_tensor_key
from penstock.core.resources import Pipeline, Step

Recording: TypeAlias = Literal["boundary", "all", "none"]
"""Which ports of a pipeline emit what they hold: its input and output, all of them, or none."""

_INNER = JoinSpec("inner")


class PlanError(InvalidRequestError):
    """A pipeline cannot be compiled. ``problems`` are key paths of its manifest, with a sentence
    for each."""

    def __init__(self, name: str, problems: Sequence[tuple[KeyPath, str]]) -> None:
        self.problems = tuple(problems)
        details = [f"{format_path(path)}: {said}" for path, said in problems]
        super().__init__(
            f"pipeline '{name}' cannot be loaded: {'; '.join(details)}", details=details
        )


class _Joined:
    """The sources of one consumer, resolved."""

    def __init__(self, inputs: Sequence[str], triggers: Sequence[str], pipeline: str) -> None:
        self.inputs = tuple(parse_source(text, pipeline=pipeline) for text in inputs)
        self.triggers = tuple(parse_source(text, pipeline=pipeline) for text in triggers)


def compile_pipeline(
    pipeline: Pipeline, version: int, joins: JoinFactories, *, record: Recording
) -> Plan:
    """The plan of a pipeline that has been validated.

    ``record`` says which ports emit what they hold. Raises PlanError with every problem of the
    joins (unknown names, options that a strategy refuses).
    """
    spec = pipeline.spec
    name = pipeline.metadata.name
    problems: list[tuple[KeyPath, str]] = []
    joined = [_joined(step, name) for step in spec.steps]
    if spec.output is not None:
        joined.append(_Joined(spec.output.steps, (), name))
    maps = [step.tensor_map for step in spec.steps]
    if spec.output is not None:
        maps.append(spec.output.tensor_map)
    feeds = _feeds_by_port(joined, maps, name)

    def join(join_spec: JoinSpec, sources: Sequence[Source], where: KeyPath) -> JoinPlan:
        references = tuple(source.text for source in sources)
        try:
            strategy = make_join(join_spec, joins)
            strategy.check(references)
        except ValueError as error:
            problems.append((where, str(error)))
            strategy = make_join(_INNER, joins)
        return _join_plan(strategy, references)

    inputs = [
        join(step.inputs_join_type, joined[i].inputs, ("spec", "steps", i, "inputsJoinType"))
        for i, step in enumerate(spec.steps)
    ]
    triggers = [
        join(step.triggers_join_type, joined[i].triggers, ("spec", "steps", i, "triggersJoinType"))
        if step.triggers
        else None
        for i, step in enumerate(spec.steps)
    ]
    output: Consumer | None = None
    if spec.output is not None:
        output = Consumer(
            index=len(spec.steps),
            name="output",
            inputs=join(spec.output.steps_join, joined[-1].inputs, ("spec", "output", "stepsJoin")),
            triggers=None,
            window_ms=spec.output.join_window_ms or None,
            may_clash=False,
        )
    if problems:
        raise PlanError(name, problems)
    direct = [inputs[i].runs_on_value and triggers[i] is None for i in range(len(spec.steps))]
    if output is not None:
        direct.append(output.inputs.runs_on_value)

    def feeds_of(port: Port) -> tuple[Feed, ...]:
        return tuple(
            _feed(consumer, parts, direct[consumer])
            for consumer, parts in feeds.get(port, {}).items()
        )

    def step_plan(i: int, step: Step) -> StepPlan:
        input_feeds = feeds_of(Port(step.name, "inputs"))
        may_clash = _may_clash(joined[i].inputs, step.tensor_map, name)
        return StepPlan(
            index=i,
            name=step.name,
            inputs=inputs[i],
            triggers=triggers[i],
            window_ms=step.join_window_ms or None,
            may_clash=may_clash,
            model=step.model_name,
            timeout_ms=step.timeout_ms,
            retries=step.retries,
            backoff_ms=step.retry_backoff_ms,
            failure_is_absence=step.on_error == "absent",
            input_feeds=input_feeds,
            output_feeds=feeds_of(Port(step.name, "outputs")),
            keeps_inputs=record == "all",
            keeps_outputs=record == "all",
            put_out_nothing=Absent(f"step '{step.name}' put out nothing", "left-out"),
            plain=not (input_feeds or may_clash or step.timeout_ms or record == "all"),
        )

    steps = tuple(step_plan(i, step) for i, step in enumerate(spec.steps))
    return Plan(
        name=name,
        version=version,
        steps=steps,
        output=output,
        consumers=steps if output is None else (*steps, output),
        input_feeds=feeds_of(Port(None, "inputs")),
        keeps_input=record != "none",
        keeps_output=record != "none",
        models=tuple(dict.fromkeys(step.model for step in steps)),
    )


def compile_model(name: str, version: int, joins: JoinFactories) -> Plan:
    """The plan of a model that is called on its own: one step of the model's name."""
    join = _join_plan(make_join(_INNER, joins), (f"{name}.inputs",))
    answer = _join_plan(make_join(_INNER, joins), (f"{name}.outputs",))
    whole = Part(0, None, None, None, Absent("the request has no tensors", "left-out"))
    output = Consumer(1, "output", answer, None, None, may_clash=False)
    step = StepPlan(
        index=0,
        name=name,
        inputs=join,
        triggers=None,
        window_ms=None,
        may_clash=False,
        model=name,
        timeout_ms=None,
        retries=0,
        backoff_ms=0.0,
        failure_is_absence=False,
        input_feeds=(),
        output_feeds=(Feed(1, (whole,), (), direct=True, whole=True),),
        keeps_inputs=False,
        keeps_outputs=False,
        put_out_nothing=Absent(f"model '{name}' put out nothing", "left-out"),
        plain=True,
    )
    return Plan(
        name=name,
        version=version,
        steps=(step,),
        output=output,
        consumers=(step, output),
        input_feeds=(Feed(0, (whole,), (), direct=True, whole=True),),
        keeps_input=False,
        keeps_output=False,
        single_model=True,
        models=(name,),
    )


def _join_plan(strategy: JoinStrategy, references: tuple[str, ...]) -> JoinPlan:
    if not strategy.reads_states_only:
        return JoinPlan(strategy, references, None, runs_on_value=False)
    runs_on_value = False
    if len(references) == 1:
        value = SourceView(references[0], SourceState.VALUE, None, None, (), None)
        asked = JoinPlan(strategy, references, None, runs_on_value=False)
        view = JoinView((value,), 0.0, 0.0, None, False, 0.0)
        runs_on_value = ask(asked, view) == Run((0,))
    return JoinPlan(strategy, references, {}, runs_on_value)


def _joined(step: Step, pipeline: str) -> _Joined:
    return _Joined(step.inputs or (pipeline,), step.triggers, pipeline)


_Parts: TypeAlias = tuple[list[Part], list[Part]]


def _feeds_by_port(
    joined: Sequence[_Joined], maps: Sequence[Mapping[str, str]], pipeline: str
) -> dict[Port, dict[int, _Parts]]:
    """For each port, what its record means to each consumer, in the manifest's order."""
    feeds: dict[Port, dict[int, _Parts]] = {}
    for consumer, (sources, tensor_map) in enumerate(zip(joined, maps, strict=True)):
        for side, several in enumerate((sources.inputs, sources.triggers)):
            for position, source in enumerate(several):
                parts = feeds.setdefault(source.port, {}).setdefault(consumer, ([], []))
                # Trigger data is not passed on, so nothing of it is renamed.
                renames = tensor_map if side == 0 else {}
                parts[side].append(_part(position, source, renames, pipeline))
    return feeds


def _part(position: int, source: Source, tensor_map: Mapping[str, str], pipeline: str) -> Part:
    renames = _renames(source, tensor_map, pipeline)
    if source.tensor is None:
        return Part(position, None, None, renames or None, Absent("it holds no tensor"))
    if source.step is None:
        lacks = f"the request has no tensor '{source.tensor}'"
    elif source.side == "inputs":
        lacks = f"no tensor '{source.tensor}' went into step '{source.step}'"
    else:
        lacks = f"step '{source.step}' put out no tensor '{source.tensor}'"
    absent = Absent(lacks, "left-out")
    return Part(position, source.tensor, renames.get(source.tensor), None, absent)


def _renames(source: Source, tensor_map: Mapping[str, str], pipeline: str) -> dict[str, str]:
    """The new names of the tensors that come by ``source``."""
    renames = {}
    for key, new_name in tensor_map.items():
        meant = parse_tensor_key(key, pipeline=pipeline)
        if source.covers(meant) and meant.tensor is not None:
            renames[meant.tensor] = new_name
    return renames


def _feed(consumer: int, parts: _Parts, direct: bool) -> Feed:
    inputs, triggers = tuple(parts[0]), tuple(parts[1])
    whole = direct and inputs[0].tensor is None and inputs[0].renames is None
    return Feed(consumer, inputs, triggers, direct, whole)


def _may_clash(sources: Sequence[Source], tensor_map: Mapping[str, str], pipeline: str) -> bool:
    """Whether tensors of one name can come together, as far as the references tell."""
    if len(sources) == 1:
        return sources[0].tensor is None and bool(_renames(sources[0], tensor_map, pipeline))
    names = [
        None
        if source.tensor is None
        else _renames(source, tensor_map, pipeline).get(source.tensor, source.tensor)
        for source in sources
    ]
    return None in names or len(set(names)) != len(names)
