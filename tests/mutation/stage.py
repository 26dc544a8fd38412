"""A plain copy of the sources and tests, where mutmut can change things.

mutmut does not follow the links of ``src/penstock``, and must not write into the checkout.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parents[2]

SETTINGS: Final = """
[tool.pytest.ini_options]
addopts = "--strict-markers --import-mode=importlib -p no:cacheprovider"
pythonpath = ["tests", "tests/plugins/penstock-majority"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
markers = ["hunt"]

[tool.mutmut]
source_paths = ["src"]
only_mutate = ["src/penstock/core/engine/*", "src/penstock/joins/*"]
pytest_add_cli_args_test_selection = [
  "tests/unit/engine", "tests/unit/joins", "tests/unit/gateway", "tests/contract/test_joins.py",
]
# What must be so anyway says nothing to anybody, whatever its words.
do_not_mutate_patterns = ["^ *assert "]
# Known bugs are put into lines of the engine as they stand there, which mutmut has changed.
pytest_add_cli_args = ["-k", "not known_bug"]
timeout_multiplier = 3.0
# For starting the tests, on a machine that is busy: a mutant that ends by time counts as noticed.
timeout_constant = 6.0
"""


def stage(folder: Path) -> None:
    """Copy what is needed into the empty ``folder``."""
    no_cache = shutil.ignore_patterns("__pycache__", "*.penstock-cache")
    shutil.copytree(CHECKOUT / "src", folder / "src", symlinks=False, ignore=no_cache)
    shutil.copytree(CHECKOUT / "tests", folder / "tests", ignore=no_cache)
    shutil.copy(CHECKOUT / "tests" / "mutation" / "quick.py", folder / "tests" / "conftest.py")
    (folder / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
