"""``penstock drain`` and ``undrain`` against a running server."""

from __future__ import annotations

import pytest

from harness.command_line import Penstock

SERVED = """\
kind: Server
metadata: {name: pool}
spec: {serverConfig: inprocess, extraCapabilities: [pooled], memory: 100Mi, replicas: 2}
---
kind: Model
metadata: {name: moving}
spec: {python: "models:one", requirements: [pooled], memory: 60Mi}
---
kind: Model
metadata: {name: staying}
spec: {python: "models:one", requirements: [pooled], memory: 60Mi}
"""


def test_models_move_what_fits_nowhere_stays(penstock: Penstock) -> None:
    (penstock.folder / "pool.yaml").write_text(SERVED)
    assert penstock("apply", "pool.yaml").code == 0
    assert penstock("status", "--wait").code == 0

    # Each replica holds one model, and neither has room for both.
    done = penstock("drain", "pool", "--replica", "0", "--wait")
    assert done.code == 3, "the one that is there fits nowhere else"
    [row] = [line for line in done.out.splitlines() if line.startswith("pool/0")]
    assert "stays" in row
    assert "server 'pool'" in row

    held = "moving" if "moving" in row else "staying"
    other = "staying" if held == "moving" else "moving"
    assert penstock("delete", "model", other).code == 0
    done = penstock("drain", "pool", "--replica", "0", "--wait")
    assert done.code == 0, done.out + done.err
    assert penstock("undrain", "pool").code == 0
    done = penstock("drain", "pool", "--replica", "1", "--wait")
    assert done.code == 0, done.out + done.err
    assert f"replica 1: model '{held}', version 1, is gone" in done.out
    state = penstock("drain", "pool", "--replica", "1", "-o", "json").document
    assert [copy["name"] for copy in state["replicas"][0]["models"]] == [held]

    ask = ("infer", held, "--server", penstock.rest, "--tensor", "x=[1]", "-o", "json")
    assert penstock(*ask).document["outputs"][0]["data"] == [2]
    condition = penstock("get", "server", "pool", "-o", "json").document["status"]["conditions"]
    assert [each["message"] for each in condition if each["type"] == "Drained"] == [
        "replica 1 takes no models, as drained; penstock undrain ends that"
    ]

    assert not penstock("undrain", "pool", "-o", "json").document["drained"]
    assert penstock("drain", "pool", "--undo").code == 0
    assert penstock("delete", "model", held).code == 0
    assert penstock("delete", "server", "pool").code == 0


@pytest.mark.parametrize("command", ["drain", "undrain"])
def test_servers_that_are_not_there(penstock: Penstock, command: str) -> None:
    done = penstock(command, "inproces")
    assert done.code == 1
    assert "there is no server 'inproces'; did you mean 'inprocess'?" in done.err
    done = penstock(command, "inprocess", "--replica", "7")
    assert done.code == 1
    assert "server 'inprocess' has no replica 7; it has 0" in done.err
