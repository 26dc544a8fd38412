"""``scheduler.database`` and ``penstock store``: restarts, kills, backups, as people meet them."""

from __future__ import annotations

from pathlib import Path

from harness.command_line import MANIFESTS, MODELS, Penstock
from harness.up import penstock_up

CONFIG = "scheduler: {database: state/penstock.db}\n"


def test_what_was_applied_is_served_after_a_restart_and_after_a_restore(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "served.yaml").write_text(MANIFESTS)
    with penstock_up(tmp_path, config=CONFIG) as addresses:
        penstock = Penstock(tmp_path, addresses["rest"], addresses["grpc"])
        assert penstock("apply", "served.yaml").code == 0
        assert penstock("status", "--wait").code == 0
        done = penstock("store", "backup", "state/penstock.db", "backup.db")
        assert (done.code, done.out) == (0, "backup.db holds 4 resources\n"), done.err
        assert penstock("delete", "pipeline", "pair").code == 0
        done = penstock("store", "restore", "backup.db", "state/penstock.db")
        assert done.code == 1
        assert "in use by another scheduler" in done.err

    with penstock_up(tmp_path, config=CONFIG) as addresses:
        penstock = Penstock(tmp_path, addresses["rest"], addresses["grpc"])
        names = [each["metadata"]["name"] for each in penstock("get", "-o", "json").document]
        assert names == ["broken", "one", "total"]

    done = penstock("store", "restore", "backup.db", "state/penstock.db")
    assert done.code == 0
    assert "state/penstock.db holds 4 resources" in done.out
    assert "what was there before is state/penstock.db." in done.out
    assert penstock("store", "check", "state/penstock.db", "-o", "json").document["resources"] == 4
    with penstock_up(tmp_path, config=CONFIG) as addresses:
        penstock = Penstock(tmp_path, addresses["rest"], addresses["grpc"])
        ask = ("infer", "pair", "--server", penstock.rest, "--tensor", "x=[1]", "-o", "json")
        assert penstock(*ask).document["outputs"][0]["data"] == [4]


def test_a_damaged_database_is_refused_and_what_is_left_can_be_applied(alone: Penstock) -> None:
    with penstock_up(alone.folder, Path("served.yaml"), config=CONFIG):
        pass
    path = alone.folder / "state/penstock.db"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"python":"models:broken"', b'"python":"models:b0rken"'))

    done = alone("up", "-c", "penstock.yaml", "--rest-port", "0", "--grpc-port", "0")
    assert done.code == 1
    assert "is damaged: model 'broken' is not what was written" in done.err
    assert "penstock store restore BACKUP" in done.err

    done = alone("store", "export", "state/penstock.db")
    assert done.code == 1
    assert done.err == "model 'broken' is not what was written\n"
    (alone.folder / "left.yaml").write_text(done.out)
    assert alone("check", "left.yaml").code == 0
    assert done.out.count("kind:") == 3
