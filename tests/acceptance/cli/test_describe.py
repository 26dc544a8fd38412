"""``penstock describe`` against a running server."""

from __future__ import annotations

from harness.command_line import Penstock

SERVED = """\
kind: Server
metadata: {name: desk}
spec: {serverConfig: inprocess, extraCapabilities: [desk], memory: 100Mi}
---
kind: Model
metadata: {name: told, labels: {team: risk}}
spec: {python: "models:one", requirements: [desk], memory: 60Mi, preloaded: true}
"""


def test_a_model_and_its_server(penstock: Penstock) -> None:
    (penstock.folder / "desk.yaml").write_text(SERVED)
    assert penstock("apply", "desk.yaml").code == 0
    assert penstock("status", "--wait").code == 0

    done = penstock("describe", "model", "told")
    assert done.code == 0, done.err
    assert done.out.startswith("model 'told', version 1, revision ")
    for said in (
        "team: risk",
        "python: models:one",
        "version 1 serves",
        "1 of 1 replicas are loaded",
        "desk/0",
        "40Mi of 100Mi",
        "preloaded",
    ):
        assert said in done.out
    heads = [line for line in done.out.splitlines() if line.isalpha()]
    assert heads == ["manifest", "conditions", "placement", "warnings", "events"]

    done = penstock("describe", "server", "desk")
    assert done.code == 0, done.err
    [row] = [line for line in done.out.splitlines() if line.startswith("0  ")]
    assert row.split() == ["0", "up", "40Mi", "of", "100Mi", "yes", "told", "1"]
    assert "used by\nmodel told ready\n" in done.out

    document = penstock("describe", "server", "desk", "-o", "json").document
    assert document["used_by"] == [{"kind": "Model", "name": "told", "ready": True}]
    assert penstock("delete", "model", "told").code == 0
    assert penstock("delete", "server", "desk").code == 0


def test_a_pipeline(penstock: Penstock) -> None:
    done = penstock("describe", "pipeline", "pair")
    assert done.code == 0, done.err
    assert "uses\nmodel one ready\nmodel total ready\n" in done.out


def test_what_is_not_there(penstock: Penstock) -> None:
    done = penstock("describe", "model", "onne", "-o", "json")
    assert done.code == 1
    assert done.error["error"] == "there is no model 'onne'; did you mean 'one'?"
