"""What is found by playing pipelines: who answers when, what comes of failures, what is wrong."""

from __future__ import annotations

from harness.outcomes import outcomes_of, table

NONE_FAILS, SOME_FAIL, LATE = "if no step fails", "if steps fail", "if a step never comes back"
TOLD = "step-failed, naming the step"


def model(name: str, *outputs: str, inputs: str = "x") -> str:
    """A model that takes ``x`` and puts out these; those with a question mark may be missing."""
    tensors = ", ".join(
        f"{{name: {each.rstrip('?')}, optional: {str(each.endswith('?')).lower()}}}"
        for each in outputs
    )
    wanted = ", ".join(f"{{name: {each}}}" for each in inputs.split())
    spec = f"{{python: 'm:f', inputs: [{wanted}], outputs: [{tensors}]}}"
    return f"kind: Model\nmetadata: {{name: {name}}}\nspec: {spec}"


def pipeline(spec: str, name: str = "p", version: str = "penstock.io/v1") -> str:
    return f"apiVersion: {version}\nkind: Pipeline\nmetadata: {{name: {name}}}\nspec:\n{spec}"


def test_a_chain_answers_always_and_tells_of_every_failure() -> None:
    found = outcomes_of(
        model("a", "x"),
        model("b", "x"),
        pipeline("  steps: [{name: a}, {name: b, inputs: [a]}]\n  output: {steps: [b]}"),
    )
    assert table(found) == {
        NONE_FAILS: [("always", "b answers (x)")],
        SOME_FAIL: [("a or b fails", TOLD)],
        LATE: [("a or b does not come back", "deadline, naming the step")],
    }
    assert (found.cases, found.most_turned, found.findings) == (3, None, ())


ROUTER = (
    "  steps: [{name: r}, {name: a, inputs: [r.outputs.x]}, {name: b, inputs: [r.outputs.y]}]\n"
)
BOTH_SKIPPED = (
    "no-output: a.outputs: step 'a' was skipped: r.outputs.x is absent; "
    "b.outputs: step 'b' was skipped: r.outputs.y is absent"
)


def test_a_router_without_a_signature_may_leave_out_what_is_read_by_name() -> None:
    found = outcomes_of(pipeline(f"{ROUTER}  output: {{steps: [a, b], stepsJoin: any}}"))
    assert table(found)[NONE_FAILS] == [
        ("r puts out x and y", "a answers or b answers, whichever is first"),
        ("r puts out y and leaves out x", "b answers"),
        ("r puts out x and leaves out y", "a answers"),
        ("r leaves out x and y", BOTH_SKIPPED),
    ]
    assert table(found)[SOME_FAIL] == [
        ("a fails, b does not fail", "b answers; what failed at a becomes a dead letter"),
        ("a does not fail, b fails", "a answers; what failed at b becomes a dead letter"),
        (
            "r fails\nor r leaves out x, b fails\nor r leaves out y, a fails\nor a fails, b fails",
            TOLD,
        ),
    ]


def test_what_a_signature_promises_is_never_left_out() -> None:
    found = outcomes_of(
        model("r", "x", "y?"),
        pipeline(f"{ROUTER}  output: {{steps: [a, b], stepsJoin: outer}}"),
    )
    assert table(found)[NONE_FAILS] == [
        ("r puts out y", "a and b answer"),
        ("r leaves out y", "a answers"),
    ]


def test_tensors_that_nobody_can_tell_apart_make_no_cases() -> None:
    found = outcomes_of(
        model("r", "x?", "y?", "z?", "v?"),
        pipeline("  steps: [{name: r}, {name: a, inputs: [r.outputs.x]}]\n  output: {steps: [a]}"),
    )
    assert found.cases == 1 + 1 + 1 + 1  # x or not, and each of the steps that runs may fail


def test_tensors_of_the_request_that_are_read_by_name_may_be_missing() -> None:
    found = outcomes_of(
        model("a", "y"),
        pipeline(
            "  steps: [{name: a, inputs: [p.inputs.x], triggers: [p.inputs.ok]}]\n"
            "  output: {steps: [a]}"
        ),
    )
    assert table(found)[NONE_FAILS] == [
        ("a request with ok and x", "a answers (y)"),
        (
            "a request with x and without ok",
            "no-output: a.outputs: step 'a' was skipped: p.inputs.ok is absent",
        ),
        (
            "a request without x",
            "no-output: a.outputs: step 'a' was skipped: p.inputs.x is absent",
        ),
    ]


def test_a_fallback_takes_over_and_only_its_own_failure_is_told() -> None:
    found = outcomes_of(
        model("main", "y"),
        model("spare", "y"),
        pipeline(
            "  steps: [{name: main, onError: absent}, {name: spare}]\n"
            "  output: {steps: [main, spare], stepsJoin: first}"
        ),
    )
    assert table(found)[NONE_FAILS] == [("always", "main answers (y)")]
    assert table(found)[SOME_FAIL] == [
        ("main fails, spare does not fail", "spare answers (y)"),
        (
            "main does not fail, spare fails",
            "main answers (y); what failed at spare becomes a dead letter",
        ),
        ("main fails, spare fails", TOLD),
    ]


def test_outer_needs_its_window_for_what_is_late() -> None:
    steps = "  steps: [{name: a}, {name: b}]\n"
    models = model("a", "y"), model("b", "z")
    found = outcomes_of(
        *models,
        pipeline(f"{steps}  output: {{steps: [a, b], stepsJoin: outer, joinWindowMs: 200}}"),
    )
    assert table(found)[LATE] == [
        ("a does not come back", "b answers (z), at the end of the window of output"),
        ("b does not come back", "a answers (y), at the end of the window of output"),
    ]
    assert found.windows == ("output",)
    without = outcomes_of(
        *models, pipeline(f"{steps}  output: {{steps: [a, b], stepsJoin: outer}}")
    )
    assert table(without)[LATE] == [("a or b does not come back", "deadline, naming the step")]
    assert without.windows == ()


def test_a_window_of_inner_ends_without_output() -> None:
    found = outcomes_of(
        model("a", "y"),
        model("b", "z"),
        pipeline("  steps: [{name: a}, {name: b}]\n  output: {steps: [a, b], joinWindowMs: 200}"),
    )
    assert table(found)[LATE][0] == (
        "a does not come back",
        "no-output: a.outputs: had not ended when the join did (join-expired); "
        "b.outputs: was there, at the end of the window of output",
    )


def test_a_quorum_says_which_of_them_may_answer() -> None:
    found = outcomes_of(
        *(model(name, f"{name}1") for name in "abc"),
        pipeline(
            "  steps: [{name: a}, {name: b}, {name: c}]\n"
            "  output: {steps: [a, b, c], stepsJoin: quorum(2)}"
        ),
    )
    [(when, outcome)] = table(found)[NONE_FAILS]
    assert when == "always"
    assert outcome.endswith("whichever is first")
    failing = table(found)[SOME_FAIL]
    assert "a fails, b fails" in {
        line.removeprefix("or ")
        for when, told in failing
        if told == TOLD
        for line in when.split("\n")
    }


LOOP = (
    "  allowCycles: true\n  steps:\n"
    "  - {name: a, inputs: [p.inputs.x, a.outputs.x], inputsJoinType: any}\n"
)


def test_a_loop_stops_after_its_first_round_or_goes_round() -> None:
    found = outcomes_of(
        model("a", "x?", "end?"), pipeline(f"{LOOP}  output: {{steps: [a.outputs.end]}}")
    )
    rows = {outcome: when for when, outcome in table(found)[NONE_FAILS]}
    assert rows["a answers (end)"] == "a puts out end\nor a in round 1 puts out end"
    assert rows["goes round again"] == (
        "a leaves out end, a in round 1 puts out x and leaves out end"
    )
    assert table(found)[SOME_FAIL] == [("a fails", TOLD)]
    assert found.findings == ()


def test_a_loop_is_played_until_all_of_its_turns_are_reached() -> None:
    turns = "".join(
        f"  - {{name: {name}, inputs: [{source}], inputsJoinType: any}}\n"
        for name, source in (("a", "p.inputs.x, c.outputs.x"), ("b", "a"), ("c", "b"))
    )
    found = outcomes_of(
        *(model(name, "x") for name in "ab"),
        model("c", "x?", "end?"),
        pipeline(f"  allowCycles: true\n  steps:\n{turns}  output: {{steps: [c.outputs.end]}}"),
    )
    assert "c answers (end)" in [outcome for _, outcome in table(found)[NONE_FAILS]]
    assert (found.never_runs, found.findings) == ({}, ())


def test_a_loop_that_can_never_end_is_found() -> None:
    text = LOOP.replace("p.inputs.x", "p")
    found = outcomes_of(
        model("a", "x"),
        model("b", "y"),
        pipeline(
            f"{text}  - {{name: b, inputs: [a.outputs.x], triggers: [n]}}\n"
            "  - {name: n}\n  output: {steps: [b]}"
        ),
        model("n"),
    )
    [finding] = found.findings
    assert finding.path == ("spec", "allowCycles")
    assert finding.message == ("the loop never ends: a value comes back to it in every round")
    assert found.never_runs == {}


def test_a_pipeline_as_a_step_may_have_no_output_only_if_it_may() -> None:
    child = pipeline(
        "  steps: [{name: r}, {name: a, inputs: [r.outputs.x]}]\n  output: {steps: [a]}", "child"
    )
    parent = pipeline("  steps: [{name: c, pipeline: child}]\n  output: {steps: [c]}")
    found = outcomes_of(model("a", "y"), child, parent)
    assert table(found) == {
        NONE_FAILS: [
            ("c has an output", "c answers (y)"),
            ("c has no output", "no-output: c.outputs: step 'c' put out nothing"),
        ],
        SOME_FAIL: [("c fails", TOLD)],
        LATE: [("c does not come back", "deadline, naming the step")],
    }
    certain = child.replace("r.outputs.x", "r")
    found = outcomes_of(model("r", "x"), model("a", "y"), certain, parent)
    assert table(found)[NONE_FAILS] == [("always", "c answers (y)")]


def test_a_model_that_misses_a_tensor_fails() -> None:
    found = outcomes_of(
        model("r", "x?", "y"),
        model("a", "z"),
        pipeline("  steps: [{name: r}, {name: a, inputs: [r]}]\n  output: {steps: [a]}"),
    )
    assert table(found)[NONE_FAILS] == [
        ("r puts out x", "a answers (z)"),
        ("r leaves out x", "invalid-request at a"),
    ]


def test_of_a_pipeline_without_output_nobody_is_told() -> None:
    found = outcomes_of(model("a", "y"), pipeline("  steps: [{name: a}]"))
    assert table(found)[NONE_FAILS] == [("always", "ends, with nobody to answer")]
    assert table(found)[SOME_FAIL] == [
        ("a fails", "ends, with nobody to answer; what failed at a becomes a dead letter")
    ]
    assert found.findings == ()


class TestSeldon:
    """Where inner takes any of several tensors of one source, cases end otherwise."""

    TEXT = (
        "  steps: [{name: r}, {name: a, inputs: [r.outputs.x, r.outputs.y]}]\n"
        "  output: {steps: [a]}"
    )

    def test_the_cases_that_differ_are_shown(self) -> None:
        found = outcomes_of(pipeline(self.TEXT, version="mlops.seldon.io/v1alpha1"))
        assert table(found)[NONE_FAILS] == [
            ("r puts out x and y", "a answers", "the same"),
            (
                "r puts out y and leaves out x",
                "no-output: a.outputs: step 'a' was skipped: r.outputs.x is absent",
                "a answers",
            ),
            (
                "r leaves out x and y",
                "no-output: a.outputs: step 'a' was skipped: r.outputs.x is absent",
                "the same",
            ),
            (
                "r puts out x and leaves out y",
                "no-output: a.outputs: step 'a' was skipped: r.outputs.y is absent",
                "a answers",
            ),
        ]

    def test_our_own_manifests_have_no_such_column(self) -> None:
        found = outcomes_of(pipeline(self.TEXT))
        assert {len(row) for rows in table(found).values() for row in rows} == {2}


class TestFindings:
    """What is certain to be wrong, with the sentence and the place."""

    def test_a_step_that_can_never_run(self) -> None:
        found = outcomes_of(
            model("a"),
            pipeline("  steps: [{name: a}, {name: b, inputs: [a]}]\n  output: {steps: [b]}"),
        )
        assert [tuple(each)[:3] for each in found.findings] == [
            (
                ("spec", "steps", 1),
                "step 'b' can never run: step 'b' was skipped: a.outputs is absent",
                "take it out, or give it sources that can be values together",
            ),
            (
                ("spec", "output"),
                "the output can never answer: no-output: b.outputs: step 'b' was skipped: "
                "a.outputs is absent",
                "name steps in it that can have outputs",
            ),
        ]

    def test_names_that_always_clash(self) -> None:
        found = outcomes_of(
            pipeline(
                "  steps: [{name: a}, {name: b, inputs: [p, a.inputs]}]\n  output: {steps: [b]}"
            )
        )
        assert [each.path for each in found.findings] == [("spec", "steps", 1), ("spec", "output")]
        assert found.findings[0].message == (
            "step 'b' can never run: two of its sources always bring the same tensors"
        )

    def test_a_join_that_always_takes_all(self) -> None:
        text = "  steps: [{name: a}, {name: b}]\n  output: {steps: [a, b], stepsJoin: outer}"
        found = outcomes_of(model("a", "y"), model("b", "z"), pipeline(text))
        [finding] = found.findings
        assert finding.path == ("spec", "output", "stepsJoin")
        assert finding.message == (
            "the join 'outer' takes all of its sources each time, for none of them can be missing: "
            "inner does the same"
        )
        for other in (
            outcomes_of(model("a", "y"), pipeline(text)),  # b's outputs are not known
            outcomes_of(model("a", "y?"), model("b", "z"), pipeline(text)),
            outcomes_of(model("a", "y"), model("b", "z"), pipeline(text.replace("outer", "any"))),
            outcomes_of(
                model("a", "y"),
                model("b", "z"),
                pipeline(text.replace("outer", "outer, joinWindowMs: 5")),
            ),
            outcomes_of(
                model("a", "y"),
                model("b", "z"),
                pipeline(text.replace("name: a", "name: a, onError: absent")),
            ),
        ):
            assert other.findings == ()

    def test_a_window_over_one_port(self) -> None:
        found = outcomes_of(
            model("a", "x?", "y?"),
            pipeline(
                "  steps: [{name: a}]\n"
                "  output: {steps: [a.outputs.x, a.outputs.y], stepsJoin: outer, joinWindowMs: 9}"
            ),
        )
        [finding] = found.findings
        assert finding.path == ("spec", "output", "joinWindowMs")
        assert finding.message == (
            "this window never ends a join: all of its sources are of one port, whose record ends "
            "them together"
        )

    def test_nothing_is_certain_when_not_every_case_was_played(self) -> None:
        texts = (
            model("a"),
            pipeline("  steps: [{name: a}, {name: b, inputs: [a]}]\n  output: {steps: [b]}"),
        )
        found = outcomes_of(*texts, most=1)
        assert (found.most_turned, found.findings, found.never_runs) == (1, (), {})
