"""What is found of pipelines that read others: what comes of each way in which their ports end."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.outcomes import outcomes_of, table
from penstock.core.cli.outcome_tables import document_of, notes_of
from penstock.core.outcomes import PipelineOutcomes
from penstock.core.outcomes.hearing import heard_together
from unit.outcomes.test_outcomes import TOLD, model, pipeline

BEGUN, UNHEARD = "if other pipelines begin it", "if not all of them hear of the request"
SOURCE = model("score", "score", "declined?", inputs="age")
CREDIT = pipeline("  steps: [{name: score}]\n  output: {steps: [score]}", "credit")
OTHER = pipeline("  steps: [{name: unknown}]\n  output: {steps: [unknown]}", "other")
NEEDS = "needs its window, where not all of them hear of the request: the input"
STEPS = "  steps: [{name: explain, model: unknown}]\n  output: {steps: [explain]}"


def reader(section: str, steps: str = STEPS, name: str = "audit") -> str:
    return pipeline(f"  input: {{{section}}}\n{steps}", name)


def found(section: str, *more: str, steps: str = STEPS) -> PipelineOutcomes:
    return outcomes_of(SOURCE, CREDIT, OTHER, *more, reader(section, steps))


def begun(section: str, *more: str, steps: str = STEPS) -> list[tuple[str, ...]]:
    return table(found(section, *more, steps=steps)).get(BEGUN, [])


def unheard(section: str, *more: str) -> list[tuple[str, ...]]:
    return table(found(section, *more)).get(UNHEARD, [])


def test_a_pipeline_that_reads_nothing_has_no_such_cases() -> None:
    outcomes = outcomes_of(SOURCE, CREDIT)
    assert {BEGUN, UNHEARD}.isdisjoint(table(outcomes))
    assert outcomes.begun.cases == 0


def test_present_absent_and_failed() -> None:
    assert begun("externalInputs: [credit.step.score.outputs.declined]") == [
        ("credit.step.score holds declined", "explain answers"),
        (
            "credit.step.score lacks declined",
            "no-output: no input: credit.step.score.outputs.declined is absent",
        ),
        ("credit.step.score failed", TOLD),
    ]


def test_what_comes_in_never_fails_and_what_is_promised_is_never_left_out() -> None:
    assert begun("externalInputs: [credit.inputs]") == [("always", "explain answers")]
    assert begun("externalInputs: [credit.outputs.score]") == [
        ("credit did not fail", "explain answers"),
        ("credit failed", TOLD),
    ]


def test_a_trigger_gates_and_is_not_passed_on() -> None:
    section = "externalInputs: [credit.inputs], externalTriggers: [credit.outputs.declined]"
    assert [row[1].partition(":")[0] for row in begun(section)] == [
        "explain answers",
        "no-output",
        TOLD,
    ]


def test_tensors_that_nothing_is_known_of_may_be_there_or_not() -> None:
    assert begun("externalInputs: [other.outputs.y]") == [
        ("other holds y", "explain answers"),
        ("other lacks y", "no-output: no input: other.outputs.y is absent"),
        ("other failed", TOLD),
    ]


def test_ports_of_one_pipeline_are_seen_together() -> None:
    """Of two ways of a router both never end absent, so nothing is said of that."""
    ways = pipeline(
        "  steps: [{name: r, model: score}, {name: a, model: unknown, inputs: [r.outputs.score]},"
        " {name: b, model: unknown, inputs: [r.outputs.declined], onError: absent}]",
        "ways",
    )
    section = "externalInputs: [ways.step.a, ways.step.b], joinType: outer, tensorMap: {}"
    rows = begun(section, ways)
    assert ("ways.step.a did not fail", "explain answers") in rows
    assert not [row for row in rows if row[1].startswith("no-output")]


def test_what_a_step_lacks_decides_as_where_the_pipeline_is_called() -> None:
    steps = (
        "  steps: [{name: explain, model: unknown}, "
        "{name: more, model: unknown, inputs: [audit.inputs.declined]}]\n"
        "  output: {steps: [explain, more], stepsJoin: outer}"
    )
    assert begun("externalInputs: [credit]", steps=steps)[:2] == [
        ("credit holds declined", "explain and more answer"),
        ("credit lacks declined", "explain answers"),
    ]


def test_the_table_of_the_page_is_what_is_found() -> None:
    page = Path(__file__).parents[3] / "docs" / "explanation" / "outcomes.md"
    shown = re.findall(r"^```text\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)[1]
    sections = table(found("externalInputs: [credit.outputs.score, other.outputs.y]"))
    lines = []
    for title in (BEGUN, UNHEARD):
        lines.append(title)
        for when, outcome in sections[title]:
            first, *more = when.split("\n")
            lines += [f"{first} {outcome}", *more]
    assert [" ".join(line.split()) for line in shown.splitlines()] == lines


def test_which_is_first_is_told_where_it_matters() -> None:
    steps = (
        "  steps: [{name: explain, model: unknown}, "
        "{name: more, model: unknown, inputs: [audit.inputs.y]}]\n"
        "  output: {steps: [explain, more], stepsJoin: outer}"
    )
    section = "externalInputs: [credit.outputs.score, other.outputs.y], joinType: any"
    assert begun(section, steps=steps)[0] == (
        "credit did not fail, other holds y",
        "explain answers or explain and more answer, whichever is first",
    )


def test_a_reader_of_a_reader() -> None:
    second = reader("externalInputs: [credit.outputs.declined]", name="second")
    assert begun("externalInputs: [second]", second) == [
        ("second is there", "explain answers"),
        ("second is absent", "no-output: no input: second.outputs is absent"),
        ("second failed", TOLD),
    ]


def test_a_reader_that_answers_nobody() -> None:
    rows = begun(
        "externalInputs: [credit.outputs.declined]", steps="  steps: [{name: a, model: unknown}]"
    )
    assert [row[1] for row in rows] == [
        "ends, with nobody to answer",
        "no-output: no input: credit.outputs.declined is absent",
        TOLD,
    ]


def test_pipelines_that_no_request_comes_to_both_of() -> None:
    section = "externalInputs: [credit.outputs.score, other.outputs.y]"
    late = "did not come before the window ended"
    assert unheard(section) == [
        ("other never hears of the request", f"no-output: no input: other.outputs.y {late}"),
        (
            "credit never hears of the request",
            f"no-output: no input: credit.outputs.score {late}",
        ),
    ]
    outcomes = found(section)
    assert NEEDS in notes_of(outcomes)
    [finding] = outcomes.findings
    assert finding.path == ("spec", "input", "externalInputs")
    assert finding.message == (
        "no request comes to all of credit and other: the join of the input waits 60000 ms for "
        "what never comes, since no window is written"
    )


@pytest.mark.parametrize("more", ["joinWindowMs: 100", "joinType: any"])
def test_a_window_that_is_written_or_not_needed_is_no_finding(more: str) -> None:
    outcomes = found(f"externalInputs: [credit.outputs.score, other.outputs.y], {more}")
    assert outcomes.findings == ()
    assert (NEEDS in notes_of(outcomes)) == more.startswith("joinWindowMs")


def test_readers_hear_of_what_comes_to_those_that_they_read() -> None:
    second = reader("externalInputs: [credit]", name="second")
    section = "externalInputs: [credit.outputs.score, second], tensorMap: {credit.outputs.score: s}"
    outcomes = found(section, second)
    # Who calls the second by its own name leaves the first out; most requests come to both.
    assert [row[0] for row in table(outcomes)[UNHEARD]] == ["credit never hears of the request"]
    assert NEEDS in notes_of(outcomes)
    assert outcomes.findings == ()


def test_by_key_any_of_them_may_bring_no_more() -> None:
    def ordered(name: str) -> str:
        steps = "  steps: [{name: unknown}]\n  output: {steps: [unknown], order: key}"
        return pipeline(f"  input: {{key: x-key}}\n{steps}", name)

    section = "externalInputs: [one.outputs.x, two.outputs.y], match: key"
    outcomes = found(section, ordered("one"), ordered("two"))
    assert len(outcomes.begun.unheard) == 2
    assert outcomes.findings == ()


def test_which_pipelines_hear_of_one_request() -> None:
    from penstock.core.contracts.control import ManifestText
    from penstock.core.manifests import read_manifests

    texts = [
        CREDIT,
        OTHER,
        reader("externalInputs: [credit]", name="second"),
        reader("externalInputs: [second, other]", name="third"),
    ]
    manifests = read_manifests([ManifestText("\n---\n".join(texts), "a.yaml", "/")])
    third = manifests.pipelines["third"]
    assert heard_together(third, manifests.pipelines) == [{"other"}, {"second"}]


def test_more_cases_than_are_played_are_told_of() -> None:
    section = "externalInputs: [credit.outputs.score, other.outputs.y]"
    outcomes = outcomes_of(SOURCE, CREDIT, OTHER, reader(section), most=3)
    assert outcomes.begun.cases == 3
    assert "3 cases of what other pipelines bring, while no step fails, the first of many" in (
        notes_of(outcomes)
    )


def test_programs_are_told_whose_ports_they_are() -> None:
    document = document_of(found("externalInputs: [credit.outputs.declined, other]"))
    whens = [row["when"] for row in document["begun_by_others"]]
    assert {
        "step": None,
        "port": "credit.outputs",
        "round": 0,
        "tensor": "declined",
        "what": "left-out",
        "so": True,
    } in [dial for when in whens for dial in when]
    [dial] = document["unheard_of"][0]["when"]
    assert (dial["step"], dial["what"]) == ("other", "unheard")
