"""``apply``, ``get``, ``status`` and ``delete`` against a running server."""

from __future__ import annotations

import pytest

from harness.command_line import Penstock


def applied(penstock: Penstock, text: str, *words: str) -> list[dict[str, object]]:
    (penstock.folder / "more.yaml").write_text(text)
    done = penstock("apply", "more.yaml", *words, "-o", "json")
    assert done.code == 0, done.err
    changes: list[dict[str, object]] = done.document
    return changes


def model(name: str, python: str) -> str:
    return f'kind: Model\nmetadata: {{name: {name}}}\nspec: {{python: "models:{python}"}}\n'


def test_code_that_was_edited_is_loaded_by_apply(penstock: Penstock) -> None:
    code = penstock.folder / "edited.py"
    text = 'kind: Model\nmetadata: {name: edited}\nspec: {python: "edited:f"}\n'
    ask = ("infer", "edited", "--server", penstock.rest, "--tensor", "x=[1]", "-o", "json")
    code.write_text("def f(x):\n    return {'y': x + 1}\n")
    applied(penstock, text)
    assert penstock("status", "--wait").code == 0

    code.write_text("def f(x):\n    return {'y': x + 2}\n")
    [change] = applied(penstock, text, "--dry-run")
    assert (change["action"], change["because"]) == ("changed", "code changed")
    done = penstock("apply", "more.yaml")
    assert done.out == "model edited changed, version 2: code changed\n"
    assert penstock("status", "--wait").code == 0
    assert penstock(*ask).document["outputs"][0]["data"] == [3]

    [change] = applied(penstock, text)
    assert (change["action"], change["version"], change["because"]) == ("unchanged", 2, "")
    assert penstock("delete", "model", "edited").code == 0


def test_a_model_comes_changes_and_goes_while_others_serve(penstock: Penstock) -> None:
    [change] = applied(penstock, model("guest", "one"))
    assert (change["action"], change["version"]) == ("created", 1)
    assert penstock("status", "--wait").code == 0
    ask = ("infer", "guest", "--server", penstock.rest, "--tensor", "x=[1]", "-o", "json")
    assert penstock(*ask).document["outputs"][0]["data"] == [2]

    [change] = applied(penstock, model("guest", "slow"), "--dry-run")
    assert (change["action"], change["version"]) == ("changed", 2)
    assert penstock(*ask).document["model_version"] == "1"
    [change] = applied(penstock, model("guest", "slow"))
    assert change["action"] == "changed"
    assert penstock("status", "--wait").code == 0
    assert penstock(*ask).document["model_version"] == "2"
    [change] = applied(penstock, model("guest", "slow"))
    assert (change["action"], change["version"]) == ("unchanged", 2)

    gone = penstock("delete", "model", "guest")
    assert gone.code == 0
    assert "guest" in gone.out
    assert penstock(*ask).error["code"] == "not-found"


def test_a_change_is_shown_as_a_diff(penstock: Penstock) -> None:
    text = 'kind: Model\nmetadata: {name: shown}\nspec: {python: "models:one", replicas: %d}\n'
    [change] = applied(penstock, text % 1)
    assert change["before"] is None
    assert change["after"]["metadata"] == {"name": "shown"}  # type: ignore[index]  # a document
    (penstock.folder / "more.yaml").write_text(text % 2)
    for words, verb in ((("--dry-run",), "would be changed"), ((), "changed")):
        done = penstock("apply", "more.yaml", *words)
        assert done.code == 0, done.err
        headline, *diff = done.out.splitlines()
        assert headline == f"model shown {verb}, version 1"
        assert diff == [
            "  --- before",
            "  +++ after",
            "  @@ -4,4 +4,4 @@",
            "     name: shown",
            "   spec:",
            "     python: models:one",
            "  -  replicas: 1",
            "  +  replicas: 2",
        ]
    (penstock.folder / "more.yaml").write_text(text % 1)
    assert penstock("apply", "more.yaml", "--no-diff").out == "model shown changed, version 1\n"
    assert penstock("delete", "model", "shown").code == 0


def test_what_others_use_is_not_deleted(penstock: Penstock) -> None:
    done = penstock("delete", "model", "total", "-o", "json")
    assert done.code == 1
    assert done.error["code"] == "conflict"
    assert done.error["details"] == ["pipeline 'pair' uses model 'total'"]
    assert penstock("get", "model", "total").code == 0


def test_a_model_that_cannot_be_loaded_says_why(penstock: Penstock) -> None:
    applied(penstock, model("wrong", "onne"))
    done = penstock("status", "--wait", "-o", "json")
    assert done.code == 3
    assert done.document["ready"] is False
    shown = penstock("status")
    assert shown.code == 3
    [row] = [line for line in shown.out.splitlines() if " wrong " in line]
    assert "did you mean 'one'?" in row
    assert penstock("delete", "model", "wrong").code == 0
    assert penstock("status", "--wait").code == 0


def test_a_set_with_a_mistake_changes_nothing(penstock: Penstock) -> None:
    text = model("fine", "one") + "---\n" + model("bad", "one").replace("spec", "spek")
    (penstock.folder / "more.yaml").write_text(text + "---\nkind: Modell\n")
    done = penstock("apply", "more.yaml")
    assert done.code == 1
    assert "more.yaml:7:" in done.err
    assert "did you mean 'spec'?" in done.err
    assert "more.yaml:9:" in done.err
    assert penstock("get", "model", "fine").code == 1


def test_get_shows_what_was_applied_and_how_it_stands(penstock: Penstock) -> None:
    every = penstock("get", "-o", "json").document
    assert {(each["kind"], each["metadata"]["name"]) for each in every} >= {
        ("Model", "one"),
        ("Pipeline", "pair"),
    }
    models = penstock("get", "model", "-o", "json").document
    assert {each["kind"] for each in models} == {"Model"}
    pair = penstock("get", "pipeline", "pair", "-o", "json").document
    assert [step["name"] for step in pair["spec"]["steps"]] == ["left", "right", "sum"]
    assert pair["status"]["version"] == 1
    assert penstock("get").out.split()[:5] == ["kind", "name", "version", "ready", "why"]


def test_what_get_prints_can_be_applied_again(penstock: Penstock) -> None:
    printed = penstock("get", "pipeline", "pair").out
    [change] = applied(penstock, printed)
    assert change["action"] == "unchanged"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("get", "modle"), "there is no kind 'modle'"),
        (("get", "model", "onne"), "there is no model 'onne'"),
        (("delete", "pipeline", "nix"), "there is no pipeline 'nix'"),
        (("apply", "nowhere.yaml"), "nowhere.yaml:1:1: there is no such file or folder"),
    ],
)
def test_errors_are_sentences(penstock: Penstock, words: tuple[str, ...], said: str) -> None:
    done = penstock(*words)
    assert done.code == 1
    assert said in done.err
    assert penstock(*words, "-o", "json").error["error"]


@pytest.mark.parametrize("command", ["get", "status", "apply"])
def test_a_server_that_is_not_there(alone: Penstock, command: str) -> None:
    done = alone(command, *(["served.yaml"] if command == "apply" else []))
    assert done.code == 1
    assert "no server answers at 127.0.0.1:1" in done.err
