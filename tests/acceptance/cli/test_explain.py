"""``penstock explain`` and servers by manifest, against a running server."""

from __future__ import annotations

from harness.command_line import Penstock

SERVER = """\
kind: Server
metadata: {name: big}
spec: {serverConfig: inprocess, extraCapabilities: [gpu], memory: 100Mi, replicas: 2}
---
kind: Model
metadata: {name: heavy}
spec: {python: "models:one", requirements: [gpu], memory: 60Mi, replicas: 3}
"""


def test_a_placement_is_explained_row_by_row(penstock: Penstock) -> None:
    (penstock.folder / "big.yaml").write_text(SERVER)
    assert penstock("apply", "big.yaml").code == 0
    assert penstock("status", "--wait").code == 0

    done = penstock("explain", "heavy")
    assert done.code == 0, done.err
    headline, growth, headings, *rows = done.out.splitlines()
    assert headline.startswith("model 'heavy', version 1: 2 of 3 replicas are loaded; version 1")
    assert growth == "it would fit on one more replica of server 'big'"
    assert headings.split() == ["server", "models", "room", "copy", "why"]
    assert [row.split()[0] for row in rows] == ["big/0", "big/1", "inprocess/0"]
    assert all("40Mi of 100Mi" in row and "yes" in row for row in rows[:2])
    assert "no" in rows[2]
    assert "capabilities: lacks 'gpu' (it has" in rows[2]

    document = penstock("explain", "heavy", "-o", "json").document
    assert (document["loaded"], document["wanted"]) == (2, 3)
    assert [each["taken"] for each in document["servers"]] == ["has a copy", "has a copy", None]

    ask = ("infer", "heavy", "--server", penstock.rest, "--tensor", "x=[1]", "-o", "json")
    assert penstock(*ask).document["outputs"][0]["data"] == [2]
    assert penstock("delete", "server", "big").code == 0
    said = penstock("status", "--wait")
    assert said.code == 3
    assert "version 1 fits on no server: server 'inprocess' lacks 'gpu'" in said.out
    assert penstock("delete", "model", "heavy").code == 0


def test_a_model_that_is_not_there(penstock: Penstock) -> None:
    done = penstock("explain", "onne")
    assert done.code == 1
    assert "there is no model 'onne'; did you mean 'one'?" in done.err
