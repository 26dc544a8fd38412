"""Whether the files behind a model have changed since it was applied."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from penstock.core.control.model_files import MOST_READ_BYTES, ModelFiles
from penstock.core.resources import NO_FILES, Digest, Model, Origin
from penstock.plugins.files import FileStorage
from penstock.plugins.http_files import HttpStorage
from penstock.servers.inprocess.server import InProcessServer
from penstock.servers.python_loader import PythonLoader


@pytest.fixture
def files() -> ModelFiles:
    server = InProcessServer()
    server.use_loaders({"python": PythonLoader()})
    return ModelFiles({"inprocess": server}, [FileStorage(), HttpStorage()])


def digest(files: ModelFiles, folder: Path, spec: Mapping[str, object]) -> Digest:
    manifest = Model.model_validate({"kind": "Model", "metadata": {"name": "m"}, "spec": spec})
    return files.digest(manifest.in_folder(folder), Origin("m.yaml", folder))


def test_code_and_artifacts_are_told_apart(tmp_path: Path, files: ModelFiles) -> None:
    (tmp_path / "code.py").write_text("import part")
    (tmp_path / "part.py").write_text("N = 1")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "w").write_text("1")
    spec = {"python": "code:f", "storageUri": "data"}
    first = digest(files, tmp_path, spec)
    assert digest(files, tmp_path, spec) == first
    (tmp_path / "part.py").write_text("N = 2")
    second = digest(files, tmp_path, spec)
    assert second.changed_since(first) == "code changed"
    (tmp_path / "data" / "w").write_text("2")
    assert digest(files, tmp_path, spec).changed_since(second) == "artifacts changed"
    assert digest(files, tmp_path, spec).changed_since(first) == "code changed, artifacts changed"
    (tmp_path / "data" / "v").write_text("")
    assert digest(files, tmp_path, spec).changed_since(second) == "artifacts changed"


def test_an_artifact_may_be_one_file_and_a_number_chooses(
    tmp_path: Path, files: ModelFiles
) -> None:
    (tmp_path / "one").write_text("1")
    before = digest(files, tmp_path, {"storageUri": "one"})
    (tmp_path / "one").write_text("2")
    assert digest(files, tmp_path, {"storageUri": "one"}) != before
    for number in ("1", "2"):
        (tmp_path / "all" / number).mkdir(parents=True)
        (tmp_path / "all" / number / "w").write_text("1")
    spec = {"storageUri": f"file://{tmp_path}/all", "artifactVersion": 1}
    before = digest(files, tmp_path, spec)
    (tmp_path / "all" / "2" / "w").write_text("2")
    assert digest(files, tmp_path, spec) == before
    (tmp_path / "all" / "1" / "w").write_text("2")
    assert digest(files, tmp_path, spec) != before


def test_a_large_file_counts_by_its_time(tmp_path: Path, files: ModelFiles) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(MOST_READ_BYTES + 1)
    before = digest(files, tmp_path, {"storageUri": "large"})
    assert digest(files, tmp_path, {"storageUri": "large"}) == before
    os.utime(large, (1, 1))
    assert digest(files, tmp_path, {"storageUri": "large"}) != before


def test_what_may_never_end_is_not_read(tmp_path: Path, files: ModelFiles) -> None:
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "pipe")
    assert digest(files, tmp_path, {"storageUri": "data"}).artifacts
    assert digest(files, tmp_path, {"storageUri": "/dev/zero"}).artifacts


@pytest.mark.parametrize(
    "spec",
    [
        {"python": "nowhere:f"},
        {"python": "json:loads"},
        {"python": "code:f", "requirements": ["unknown"]},
        {"storageUri": "https://example.com/model.onnx"},
        {"storageUri": "s3://bucket/model"},
        {"storageUri": "file://elsewhere/model"},
        {"storageUri": "gone"},
    ],
)
def test_what_is_not_here_has_no_digest(
    tmp_path: Path, files: ModelFiles, spec: Mapping[str, object]
) -> None:
    assert digest(files, tmp_path, spec) == NO_FILES
