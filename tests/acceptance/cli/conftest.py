"""A running server, and the command line beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.command_line import MANIFESTS, MODELS, Penstock
from harness.up import penstock_up


@pytest.fixture(scope="module")
def penstock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Penstock]:
    """The command line beside a server with a few models and a pipeline."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "models.py").write_text(MODELS)
    (folder / "served.yaml").write_text(MANIFESTS)
    with penstock_up(folder, Path("served.yaml")) as addresses:
        yield Penstock(folder, addresses["rest"], addresses["grpc"])


@pytest.fixture
def alone(tmp_path: Path) -> Penstock:
    """The command line where no server runs."""
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "served.yaml").write_text(MANIFESTS)
    return Penstock(tmp_path, "127.0.0.1:1", "127.0.0.1:1")
