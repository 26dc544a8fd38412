"""Whatever the models of a pipeline do: the rows that fit say what the oracle says."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from oracle.interpreter import interpret
from oracle.model import Attempt, Graph, Produces, Raises, Result, Scenario
from oracle.strategies import PLENTY_MS, PRODUCED, REQUEST, graphs
from penstock.core.outcomes import Dial, Ending, Outcomes, PipelineOutcomes
from penstock.core.outcomes.choices import Choices
from penstock.core.outcomes.player import Player
from penstock.core.plan.compiler import compile_pipeline
from penstock.core.port_types import infer_types
from penstock.core.signature import Signature, TensorSpec
from penstock.testing.joins import Joins
from unit.engine.differential import manifest

SIGNATURE = Signature(None, tuple(TensorSpec(name, optional=True) for name in PRODUCED))


def unhurried(graph: Graph) -> Graph:
    """The graph without windows and timeouts, which do not end anything when nothing is late."""
    steps = tuple(replace(step, window_ms=None, timeout_ms=None) for step in graph.steps)
    output = graph.output and replace(graph.output, window_ms=None)
    return replace(graph, steps=steps, output=output)


def scenario(
    graph: Graph, turned: frozenset[Dial], fast: frozenset[str], request: tuple[str, ...]
) -> Scenario:
    """The request in which these dials are turned, and these steps are fast."""

    def attempt(step: str) -> Attempt:
        names = tuple(n for n in PRODUCED if Dial("left-out", step, 0, n) not in turned)
        fails = Dial("fails", step) in turned
        outcome = Raises("step-failed", retriable=False) if fails else Produces(names)
        return Attempt(1 if step in fast else len(graph.steps) + 1, outcome)

    return Scenario(
        tuple(name for name in request if Dial("left-out", None, 0, name) not in turned),
        PLENTY_MS,
        {step.name: (attempt(step.name),) for step in graph.steps},
    )


def says(ending: Ending, result: Result) -> bool:
    """Whether an ending is that of the oracle's request."""
    if result.answer is None:
        return ending.kind == "done"
    if result.answer.kind == "absent":
        return ending.kind == "no-output"
    if result.answer.kind == "failed":
        return (ending.kind, ending.code) == ("failed", result.answer.code)
    names = tuple(tensor.name for tensor in result.answer.tensors)
    return ending.kind == "answer" and (ending.tensors == names or ending.others)


def rows_fitting(
    outcomes: PipelineOutcomes, turned: frozenset[Dial], called: set[str]
) -> list[tuple[Ending, ...]]:
    failed = {dial.step for dial in turned if dial.kind == "fails" and dial.step in called}

    def is_come_to(dial: Dial) -> bool:
        return dial.step is None or (
            dial.step in called and (dial.kind == "fails" or dial.step not in failed)
        )

    return [
        row.ending.endings
        for row in (outcomes.failing if failed else outcomes.usual)
        if all(is_come_to(dial) and (dial in turned) is so for dial, so in row.when.items())
    ]


@given(graphs().filter(lambda graph: len(graph.steps) < 5), st.data())
@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_rows_that_fit_say_what_happens(drawn: Graph, data: st.DataObject) -> None:
    graph = unhurried(drawn)
    pipeline = manifest(graph)
    types = infer_types(pipeline, lambda _: SIGNATURE)
    outcomes = Outcomes(
        {graph.name: pipeline}, {graph.name: types}, Joins(), lambda _: SIGNATURE
    ).of(graph.name)
    choices = Choices(pipeline, types, lambda _: SIGNATURE, {})
    player = Player(compile_pipeline(pipeline, 1, Joins(), record="all"), choices)
    if outcomes.most_turned is not None:
        return
    dials = [
        *(Dial("left-out", None, 0, name) for name in REQUEST),
        *(Dial("left-out", step.name, 0, name) for step in graph.steps for name in PRODUCED),
        *(Dial("fails", step.name) for step in graph.steps),
    ]
    turned = data.draw(st.frozensets(st.sampled_from(dials)))
    asked = choices.request
    # What nothing of the pipeline names is there, and so is what it cannot do without.
    request = (*asked.surely, *asked.maybe) or REQUEST
    turned = frozenset(d for d in turned if d.step is not None or d.tensor in asked.maybe)
    results = {
        fast: interpret(graph, scenario(graph, turned, fast, request))
        for fast in map(frozenset, player.paces)
    }
    called = {call.step for result in results.values() for call in result.calls}
    fitting = rows_fitting(outcomes, turned, called)
    assert fitting
    result = results[data.draw(st.sampled_from(list(results)))]
    told = [endings for endings in fitting if not any(says(each, result) for each in endings)]
    assert not told, (graph, turned, result, told)
