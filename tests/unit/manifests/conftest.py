"""Reading manifests that a test writes in place."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TypeAlias

import pytest

from penstock.core.contracts.control import ManifestText
from penstock.core.manifests import ManifestSet, read_manifests
from penstock.core.problems import ProblemsError

Read: TypeAlias = Callable[..., ManifestSet]
Problems: TypeAlias = Callable[..., list[str]]


def _read(*texts: str, folder: str | None = "/manifests") -> ManifestSet:
    return read_manifests(
        ManifestText(textwrap.dedent(text).lstrip("\n"), f"{'abcdef'[index]}.yaml", folder)
        for index, text in enumerate(texts)
    )


@pytest.fixture
def read() -> Read:
    """Read texts (called a.yaml, b.yaml, ...) as one set; leading blank lines do not count."""
    return _read


@pytest.fixture
def problems() -> Problems:
    """The problems of texts, each as its sentence; fails when there are none."""

    def problems_of(*texts: str, folder: str | None = "/manifests") -> list[str]:
        with pytest.raises(ProblemsError) as caught:
            _read(*texts, folder=folder)
        return [str(problem) for problem in caught.value.problems]

    return problems_of
