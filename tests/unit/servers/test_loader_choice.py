"""Which loader loads a model, and what is said when none does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.core.contracts.model import Loader, ModelSpec
from penstock.core.errors import InvalidRequestError, UnsupportedError
from penstock.servers.loader_choice import choose_loader


class Fake(Loader):
    def __init__(self, *words: str, looks_for: str = "", suffix: str = "", raises: bool = False):
        self.looks_for = looks_for  # type: ignore[misc]  # each has its own
        self._words = frozenset(words)
        self._suffix = suffix
        self._raises = raises

    def capabilities(self) -> frozenset[str]:
        return self._words

    def recognises(self, spec: ModelSpec) -> bool:
        if self._raises:
            raise OSError("broken")
        if not self._suffix:
            return spec.python is not None
        return spec.artifacts is not None and spec.artifacts.suffix == self._suffix

    def load(self, spec: ModelSpec) -> Any:
        raise NotImplementedError


PYTHON = Fake("python", looks_for="spec.python")
TREES = Fake("trees", looks_for="a .tree", suffix=".tree")
MORE_TREES = Fake("trees", "forests", looks_for="another .tree", suffix=".tree")
NETS = Fake("nets", looks_for="a .net", suffix=".net")
ALL = {"python": PYTHON, "trees": TREES, "nets": NETS}


def spec(file: str | None = None, python: str | None = None, *words: str) -> ModelSpec:
    path = None if file is None else Path("/models", file)
    return ModelSpec("m", 1, path, python, requirements=words)


@pytest.mark.parametrize(
    ("asked", "loader"),
    [
        (spec("a.tree"), TREES),
        (spec("a.net"), NETS),
        (spec(None, "m:f"), PYTHON),
        (spec("a.tree", "m:f"), PYTHON),
        (spec("a.tree", "m:f", "trees"), PYTHON),
        (spec("a.tree", None, "trees"), TREES),
        (spec("unknown", None, "trees"), TREES),
    ],
)
def test_the_one_that_recognises_it(asked: ModelSpec, loader: Loader) -> None:
    assert choose_loader(asked, ALL) is loader


def test_none_recognises_it() -> None:
    with pytest.raises(
        InvalidRequestError,
        match=r"no loader recognises what is in /models/a.txt; there are 'python' \(spec.python\), "
        r"'trees' \(a .tree\), 'nets' \(a .net\); put there",
    ):
        choose_loader(spec("a.txt"), ALL)


def test_several_recognise_it() -> None:
    both = {"trees": TREES, "more": MORE_TREES}
    with pytest.raises(InvalidRequestError, match=r"several loaders .*'trees' .*'more'.*spec.req"):
        choose_loader(spec("a.tree"), both)
    assert choose_loader(spec("a.tree", None, "forests"), both) is MORE_TREES


def test_there_is_none() -> None:
    with pytest.raises(UnsupportedError, match="no loader is installed"):
        choose_loader(spec("a.tree"), {})


def test_one_that_fails_to_look_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    loaders = {"broken": Fake("b", raises=True), "trees": TREES}
    assert choose_loader(spec("a.tree"), loaders) is TREES
    assert "loader 'broken' failed to look at model 'm'" in caplog.text
