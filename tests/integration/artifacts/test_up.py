"""The cache that is configured is the one that is used, over a restart as well."""

from __future__ import annotations

from pathlib import Path

from harness.up import penstock_up
from harness.web import serving

MODELS = """\
class Constant:
    def load(self, context):
        self.value = float(context.artifacts.read_text())

    def predict(self, x):
        return {"y": x * 0 + self.value}
"""

MANIFEST = """\
kind: Model
metadata: {name: one}
spec: {python: 'models:Constant', storageUri: '%s/constant.txt'}
---
kind: Model
metadata: {name: other}
spec: {python: 'models:Constant', storageUri: '%s/constant.txt'}
"""


def test_a_file_is_fetched_once_for_two_models_and_a_restart(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    with serving() as web:
        web.files["/constant.txt"] = b"7"
        manifest = tmp_path / "models.yaml"
        manifest.write_text(MANIFEST % (web.address, web.address))
        for _ in range(2):
            with penstock_up(tmp_path, manifest, config="agent: {cache: {folder: kept}}\n"):
                pass
        assert web.got == {"/constant.txt": 1}
    (entry,) = (tmp_path / "kept" / "entries").iterdir()
    assert (entry / "files" / "constant.txt").read_text() == "7"
    assert list((tmp_path / "kept" / "tenants").iterdir()) == []
