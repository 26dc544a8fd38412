"""``penstock check`` on outcomes: the table, the document, the warnings, and how to do without."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.command_line import Penstock

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLES = REPOSITORY / "examples" / "dataflow"

ROUTED = """\
kind: Model
metadata: {name: nothing}
spec: {python: "models:one", outputs: []}
---
apiVersion: VERSION
kind: Pipeline
metadata: {name: routed}
spec:
  steps:
  - {name: route, model: one}
  - {name: taken, model: one, inputs: [route.outputs.x, route.outputs.y]}
  - {name: silent, model: nothing}
  - {name: never, model: one, inputs: [silent]}
  output: {steps: [taken, never], stepsJoin: any}
---
kind: Model
metadata: {name: one}
spec: {python: "models:one"}
"""


def manifest(penstock: Penstock, version: str = "penstock.io/v1") -> str:
    (penstock.folder / "routed.yaml").write_text(ROUTED.replace("VERSION", version))
    return "routed.yaml"


def test_the_table_of_the_page_is_what_is_printed(alone: Penstock) -> None:
    page = (REPOSITORY / "docs" / "explanation" / "outcomes.md").read_text()
    [shown, _] = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    [written] = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert written in (EXAMPLES / "fallbacks.yaml").read_text()
    done = alone("check", str(EXAMPLES), "--outcomes")
    assert done.code == 0, done.err
    _, _, rest = done.out.partition("pipeline fallback\n")
    assert shown in rest
    assert "pipeline " not in rest[: rest.index(shown)]


def test_what_can_never_run_is_warned_of_where_it_stands(alone: Penstock) -> None:
    done = alone("check", manifest(alone))
    assert done.code == 0, done.err
    [warning] = [line for line in done.err.splitlines() if "never" in line]
    assert warning == (
        "warning: routed.yaml:13:5: spec.steps[3]: step 'never' can never run: step 'never' was "
        "skipped: silent.outputs is absent; take it out, or give it sources that can be values "
        "together"
    )
    assert "never runs: never (step 'never' was skipped: silent.outputs is absent)" in done.out


def test_the_document_has_every_row(alone: Penstock) -> None:
    document = alone("check", manifest(alone), "-o", "json").document
    found = document["outcomes"]["routed"]
    assert found["every_case"] is True
    assert list(found["never_runs"]) == ["never"]
    rows = {row["words"]: row for row in found["usual"]}
    both = rows["route puts out x and y"]
    assert both["when"] == [
        {"step": "route", "round": 0, "tensor": tensor, "what": "left-out", "so": False}
        for tensor in ("x", "y")
    ]
    [ending] = both["endings"]
    assert (ending["outcome"], ending["answers"]) == ("answer", ["taken"])
    [ending] = rows["route leaves out x"]["endings"]
    assert ending["code"] == "no-output"
    assert ending["details"][0] == (
        "taken.outputs: step 'taken' was skipped: route.outputs.x is absent"
    )
    assert any("can never run" in each for each in document["warnings"])


def test_the_column_of_seldon_core_2_is_there_for_its_manifests(alone: Penstock) -> None:
    done = alone("check", manifest(alone, "mlops.seldon.io/v1alpha1"))
    heading = next(line for line in done.out.splitlines() if line.startswith("when"))
    assert heading.endswith("in Seldon Core 2")
    rows = [
        line for line in done.out.splitlines() if line.startswith("route puts out x and leaves")
    ]
    assert rows[0].endswith("taken answers")
    assert "in Seldon Core 2" not in alone("check", manifest(alone)).out


@pytest.mark.parametrize("pipelines", [1, 21])
def test_outcomes_can_be_left_out(alone: Penstock, pipelines: int) -> None:
    text = ROUTED.replace("VERSION", "penstock.io/v1")
    head, body, tail = text.split("---\n")
    copies = [body.replace("name: routed", f"name: routed{i}") for i in range(pipelines)]
    (alone.folder / "many.yaml").write_text("---\n".join([head, *copies, tail]))
    printed = alone("check", "many.yaml").out
    assert ("if no step fails" in printed) is (pipelines == 1)
    assert ("listed by --outcomes" in printed) is (pipelines > 1)
    assert alone("check", "many.yaml", "--no-outcomes", "-o", "json").document["outcomes"] == {}
    asked_for = alone("check", "many.yaml", "--outcomes", "-o", "json").document["outcomes"]
    assert len(asked_for) == pipelines
