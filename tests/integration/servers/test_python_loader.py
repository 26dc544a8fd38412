"""Python models from folders: names that are private, new code, and errors that say where."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from penstock import Model
from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import (
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    PenstockError,
    StepFailedError,
)
from penstock.servers.python_loader import PythonLoader


def write(folder: Path, **modules: str) -> Path:
    """Modules by name; ``a__b`` is the module b of the package a."""
    for name, code in modules.items():
        path = folder.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    return folder


def load(python: str, *folders: Path, loader: PythonLoader | None = None, **options: Any) -> Any:
    spec = ModelSpec("m", 1, python=python, folders=folders, **options)
    return (loader or PythonLoader()).load(spec)


class TestModules:
    def test_two_folders_with_the_same_module_do_not_meet(self, tmp_path: Path) -> None:
        loader = PythonLoader()
        code = "import helpers\ndef f(): return helpers.NAME"
        one = write(tmp_path / "one", models=code, helpers="NAME = 1")
        two = write(tmp_path / "two", models=code, helpers="NAME = 2")
        before = set(sys.modules)
        first, second = (load("models:f", each, loader=loader) for each in (one, two))
        assert (first(), second()) == (1, 2)
        assert not {"models", "helpers"} & (set(sys.modules) - before)

    @pytest.mark.parametrize(
        "statement",
        [
            "import helpers\nN = helpers.N",
            "from helpers import N",
            "from . import helpers\nN = helpers.N",
            "from .helpers import N",
            "import pack.deep\nN = pack.deep.N",
            "import pack.deep as d\nN = d.N",
            "from pack import deep\nN = deep.N",
            "from pack.deep import *",
            "def f():\n    import helpers\n    return helpers.N\nN = f()",
            "from plain import N",
            "import space.inner\nN = space.inner.N",
        ],
    )
    def test_imports_of_what_stands_beside_it(self, tmp_path: Path, statement: str) -> None:
        write(
            tmp_path,
            models=f"{statement}\ndef f(): return N",
            helpers="N = 5",
            pack____init__="",
            pack__deep="from .sibling import N",
            pack__sibling="import helpers\nN = helpers.N",
            plain="import collections.abc, json, numpy as np\nN = int(np.int8(5))",
            space__inner="N = 5",
        )
        assert load("models:f", tmp_path)() == 5

    def test_a_module_in_a_package(self, tmp_path: Path) -> None:
        write(tmp_path, pack____init__="", pack__models="class A:\n  def predict(self, x): ...")
        assert type(load("pack.models:A", tmp_path)).__name__ == "A"

    def test_the_folders_are_looked_in_in_order(self, tmp_path: Path) -> None:
        one = write(tmp_path / "one", a="def f(): return 1")
        two = write(tmp_path / "two", a="def f(): return 2", b="def f(): return 3")
        assert load("a:f", one, two)() == 1
        assert load("b:f", one, two)() == 3

    def test_installed_modules_are_those_of_everybody(self, tmp_path: Path) -> None:
        import statistics

        assert load("statistics:mean", tmp_path) is statistics.mean

    def test_there_is_one_penstock(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            models="import penstock\nclass A(penstock.Model):\n  def predict(self): ...",
            penstock____init__="raise ImportError('the wrong one')",
        )
        assert isinstance(load("models:A", tmp_path), Model)

    def test_models_of_one_folder_share_their_modules(self, tmp_path: Path) -> None:
        loader = PythonLoader()
        write(tmp_path, models="STATE = []\ndef a(): return STATE\ndef b(): return STATE")
        assert (
            load("models:a", tmp_path, loader=loader)()
            is load("models:b", tmp_path, loader=loader)()
        )

    @pytest.mark.parametrize("changed", ["models", "helpers"])
    def test_changed_code_is_loaded_anew_and_the_old_stays(
        self, tmp_path: Path, changed: str
    ) -> None:
        loader = PythonLoader()
        write(tmp_path, models="from helpers import N\ndef f(): return N", helpers="N = 1")
        old = load("models:f", tmp_path, loader=loader)
        # Of the same length, and within the same second: no cache may be trusted.
        new_code = {
            "models": "from helpers import N\ndef f(): return 2",
            "helpers": "N = 2",
        }
        write(tmp_path, **{changed: new_code[changed]})
        new = load("models:f", tmp_path, loader=loader)
        assert (old(), new()) == (1, 2)
        assert not list(tmp_path.rglob("__pycache__"))

    def test_old_code_is_forgotten_in_the_end(self, tmp_path: Path) -> None:
        loader = PythonLoader()
        counts = []
        for n in range(5):
            write(tmp_path, models=f"def f(): return {n:10}")
            assert load("models:f", tmp_path, loader=loader)() == n
            counts.append(len([each for each in sys.modules if each.endswith(".models")]))
        assert counts[-1] == counts[1]

    def test_old_code_that_still_serves_goes_on_importing(self, tmp_path: Path) -> None:
        loader = PythonLoader()
        write(
            tmp_path,
            models="def f():\n  import late\n  from . import later\n  return late.N + later.N",
            late="N = 1",
            later="N = 1",
            other="0",
        )
        old = load("models:f", tmp_path, loader=loader)
        for n in range(1, 5):
            write(tmp_path, other=f"def g(): return {n:10}")
            assert load("other:g", tmp_path, loader=loader)() == n
        assert old() == 2

    def test_a_module_that_came_into_the_folder_is_new_code(self, tmp_path: Path) -> None:
        loader = PythonLoader()
        write(tmp_path, models="import colorsys\ndef f(): return colorsys.__doc__")
        assert load("models:f", tmp_path, loader=loader)() != "mine"
        write(tmp_path, colorsys="'mine'")
        assert load("models:f", tmp_path, loader=loader)() == "mine"

    def test_what_failed_is_tried_again(self, tmp_path: Path) -> None:
        loader = PythonLoader()
        write(tmp_path, models="import helpers\ndef f(): return helpers.N")
        with pytest.raises(InvalidRequestError, match="No module named 'helpers'"):
            load("models:f", tmp_path, loader=loader)
        write(tmp_path, helpers="N = 1 / 0")
        with pytest.raises(InvalidRequestError, match=r"ZeroDivisionError.*helpers\.py, line 1"):
            load("models:f", tmp_path, loader=loader)
        write(tmp_path, helpers="N = 4")
        assert load("models:f", tmp_path, loader=loader)() == 4


class TestObjects:
    def test_load_is_told_parameters_and_artifacts(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            models=(
                "class A:\n"
                "  def load(self, context): self.context = context\n"
                "  def predict(self, x): ..."
            ),
        )
        model = load("models:A", tmp_path, parameters={"k": 1}, artifacts=tmp_path / "files")
        assert model.context.parameters == {"k": 1}
        assert model.context.artifacts == tmp_path / "files"
        assert (model.context.name, model.context.version) == ("m", 1)

    def test_artifacts_that_are_not_there_are_explained(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            models=(
                "from penstock import Model\n"
                "class A(Model):\n"
                "  def load(self, context): context.artifacts\n"
                "  def predict(self, x): ..."
            ),
        )
        with pytest.raises(StepFailedError, match=r"its manifest has no spec\.storageUri"):
            load("models:A", tmp_path)

    @pytest.mark.parametrize(
        "code",
        [
            "def f(x): ...",
            "f = lambda x: {}",
            "import functools\ndef g(k, x): ...\nf = functools.partial(g, 1)",
            "class f:\n  def predict(self, x): ...",
            "class f:\n  async def predict(self, x): ...",
            "class f:\n  def __call__(self, x): ...",
            "class g:\n  class f:\n    def predict(self, x): ...\nf = g.f()",
        ],
    )
    def test_what_may_be_a_model(self, tmp_path: Path, code: str) -> None:
        assert load("models:f", write(tmp_path, models=code)) is not None

    def test_a_name_inside_a_class(self, tmp_path: Path) -> None:
        write(tmp_path, models="class A:\n  @staticmethod\n  def f(x): return x")
        assert load("models:A.f", tmp_path)(3) == 3


class TestErrors:
    """Each is a sentence with what is wrong, where, and what comes near."""

    @pytest.mark.parametrize(
        ("python", "error", "sentence"),
        [
            ("modles:f", NotFoundError, r"no module 'modles' in .*, and none .*mean 'models'\?"),
            ("pack.modles:f", NotFoundError, r"'pack' has no module 'modles' in .*'models'\?"),
            ("models.x:f", NotFoundError, "'models' has no module 'x'"),
            ("models:Ruter", NotFoundError, r"models\.py has no 'Ruter'.*did you mean 'Router'\?"),
            ("models:Router.x", NotFoundError, r"Router in .*models\.py has no 'x'"),
            ("needs:f", InvalidRequestError, r"'needs' fails .*'torch_\w+'.*needs\.py, line 2\)"),
            ("wrong:f", InvalidRequestError, r"'wrong' fails .*SyntaxError.*wrong\.py, line 1\)"),
            ("raises:f", InvalidRequestError, r"ValueError: broken \(.*raises\.py, line 2\)"),
            ("exits:f", InvalidRequestError, r"'exits' fails on import: SystemExit"),
            ("models:NUMBER", InvalidRequestError, "is a int, which is no model"),
            ("models:Empty", InvalidRequestError, "class 'models:Empty' has no method 'predict'"),
            ("models:Bare", InvalidRequestError, "class 'models:Bare' has no method 'predict'"),
            ("models:Wants", StepFailedError, r"making a 'models:Wants' raised TypeError"),
            (
                "models:Fails",
                StepFailedError,
                r"load of .* raised OSError: no \(.*models.py, li",
            ),
            ("models:Later", NotReadyError, "load of 'models:Later': the store is away"),
            ("models:Async", InvalidRequestError, "load of 'models:Async' is async"),
        ],
    )
    def test_the_sentence(
        self, tmp_path: Path, python: str, error: type[PenstockError], sentence: str
    ) -> None:
        write(
            tmp_path,
            models="""
from penstock import Model, Retriable
NUMBER = 5
class Router(Model):
    def predict(self, x): ...
class Empty: ...
class Bare(Model): ...
class Wants(Router):
    def __init__(self, k): ...
class Fails(Router):
    def load(self, context): raise OSError("no")
class Later(Router):
    def load(self, context): raise Retriable("the store is away")
class Async(Router):
    async def load(self, context): ...
""",
            pack____init__="",
            pack__models="",
            needs="\nimport torch_that_is_not_there",
            wrong="def f(:",
            raises="\nraise ValueError('broken')",
            exits="raise SystemExit(1)",
        )
        with pytest.raises(error, match=sentence) as caught:
            load(python, tmp_path)
        assert "_penstock_" not in caught.value.message
