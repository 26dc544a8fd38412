"""What is known of Python models before they are loaded: their annotations, and nothing is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import InvalidRequestError, NotFoundError, NotReadyError, PenstockError
from penstock.core.signature import Signature, TensorSpec
from penstock.servers.inprocess import InProcessServer
from penstock.servers.python_loader import PythonLoader
from penstock.servers.sklearn_loader import SklearnLoader

MODELS = """\
from typing import Annotated
from abc import ABC, abstractmethod
import numpy as np
from numpy.typing import NDArray
from penstock import Shape

X = Annotated[NDArray[np.float32], Shape("n", 4)]

def function(x: X): ...

class Plain:
    def __init__(self): raise RuntimeError("made")
    def load(self, context): raise RuntimeError("loaded")
    def predict(self, x: X): ...

class Callable:
    def __call__(self, x: X): ...

class Mapping(dict):
    def predict(self, x: X): ...

class Abstract(ABC):
    @abstractmethod
    def predict(self, x: X): ...

class Nothing:
    pass

instance = Callable()
"""

KNOWN = Signature((TensorSpec("x", "FP32", ("n", 4)),), None)


@pytest.fixture
def server(tmp_path: Path) -> InProcessServer:
    (tmp_path / "models.py").write_text(MODELS)
    server = InProcessServer()
    server.use_loaders({"python": PythonLoader(), "sklearn": SklearnLoader()})
    return server


def spec(folder: Path, name: str | None, signature: Signature | None = None) -> ModelSpec:
    python = None if name is None else f"models:{name}"
    return ModelSpec("m", 1, python=python, folders=(folder,), signature=signature)


@pytest.mark.parametrize("name", ["function", "Plain", "Callable", "instance"])
def test_annotations_are_read(server: InProcessServer, tmp_path: Path, name: str) -> None:
    assert server.signature(spec(tmp_path, name)) == KNOWN


@pytest.mark.parametrize("name", ["Mapping", "Abstract", None])
def test_where_nothing_can_be_read_the_declaration_is_what_is_known(
    server: InProcessServer, tmp_path: Path, name: str | None
) -> None:
    declared = Signature((TensorSpec("x"),), (TensorSpec("y"),))
    assert server.signature(spec(tmp_path, name, declared)) == declared
    assert server.signature(spec(tmp_path, name)) is None


def test_a_declaration_is_brought_together_with_annotations(
    server: InProcessServer, tmp_path: Path
) -> None:
    declared = Signature((TensorSpec("x", None, (7, None)),))
    together = Signature((TensorSpec("x", "FP32", (7, 4)),))
    assert server.signature(spec(tmp_path, "Plain", declared)) == together


@pytest.mark.parametrize(
    ("name", "declared", "error", "said"),
    [
        ("Nothing", None, InvalidRequestError, "has no method 'predict'"),
        ("Plian", None, NotFoundError, "did you mean 'Plain'?"),
        ("Plain", Signature((TensorSpec("x", "FP64"),)), InvalidRequestError, "as FP64, and"),
    ],
)
def test_what_loading_would_be_refused_for(
    server: InProcessServer,
    tmp_path: Path,
    name: str,
    declared: Signature | None,
    error: type[PenstockError],
    said: str,
) -> None:
    with pytest.raises(error, match=said.replace("?", r"\?")):
        server.signature(spec(tmp_path, name, declared))


def test_a_module_that_fails_on_import_may_be_fine_where_it_is_served(
    server: InProcessServer, tmp_path: Path
) -> None:
    (tmp_path / "models.py").write_text("import not_installed_here")
    with pytest.raises(NotReadyError, match="models' fails on import"):
        server.signature(spec(tmp_path, "function"))
