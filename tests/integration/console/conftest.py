"""A server with a few pipelines, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from harness.browser import WIDE, Visit, chromium
from harness.up import penstock_up

expect.set_options(timeout=30_000)  # what is expected of a page does not have the page's limit

MODELS = """
from typing import Annotated, TypedDict

import numpy as np
from numpy.typing import NDArray

from penstock import Shape

Numbers = Annotated[NDArray[np.float64], Shape("n")]


class Given(TypedDict):
    x: Numbers


class Counted(TypedDict, total=False):
    x: Numbers
    again: Numbers
    done: Numbers


def keep(x: Numbers) -> Given:
    return {"x": x}


def logarithm(x: Numbers) -> Given:
    if (x <= 0).any():
        raise ValueError(f"there is no logarithm of {x.min():g}")
    return {"x": np.log(x)}


def count(x: Numbers) -> Counted:
    more = x + 1
    return {"x": more, "again": more} if more.max() < 3 else {"x": more, "done": more}


def free(**tensors):
    return {name: tensor for name, tensor in tensors.items()}
"""

MANIFEST = """
kind: Model
metadata: {name: keep}
spec: {python: models:keep}
---
kind: Model
metadata: {name: logarithm}
spec: {python: models:logarithm}
---
kind: Model
metadata: {name: count}
spec: {python: models:count}
---
kind: Model
metadata: {name: free}
spec: {python: models:free}
---
kind: Pipeline
metadata: {name: logs}
spec:
  record: all
  steps:
  - {name: keep}
  - {name: logarithm, inputs: [keep]}
  output: {steps: [logarithm]}
---
kind: Pipeline
metadata: {name: counting}
spec:
  record: all
  allowCycles: true
  steps:
  - {name: turn, model: keep, inputs: [counting.inputs.x, count.outputs.again],
     tensorMap: {count.outputs.again: x}, inputsJoinType: any}
  - {name: count, inputs: [turn]}
  output: {steps: [count.outputs.done]}
---
kind: Pipeline
metadata: {name: after}
spec:
  record: all
  input: {externalInputs: [logs.outputs.x]}
  steps: [{name: keep}]
  output: {steps: [keep]}
"""


def written(folder: Path) -> Path:
    """The manifest in ``folder``, with its models beside it."""
    (folder / "models.py").write_text(MODELS)
    manifest = folder / "pipelines.yaml"
    manifest.write_text(MANIFEST)
    return manifest


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a module."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of REST."""
    folder = tmp_path_factory.mktemp("console")
    with penstock_up(folder, written(folder)) as addresses:
        yield addresses["rest"]


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Callable[..., Visit]]:
    """Opens pages, with options as the browser has them; each must be without complaints."""
    opened: list[Visit] = []

    def open_page(place: str = "/pipelines", **options: Any) -> Visit:
        page = browser.new_page(**{"viewport": WIDE, **options})
        page.set_default_timeout(20_000)
        seen = Visit(page, server)
        opened.append(seen)
        seen.watch()
        seen.go(place)
        return seen

    yield open_page
    for seen in opened:
        seen.page.close()
    assert [seen.complaints for seen in opened if seen.complaints] == []
