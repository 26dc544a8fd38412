"""What a worker in another environment imports: the standard library and numpy, and old Pythons can
read it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import json, sys
from pathlib import Path
import penstock
from penstock.servers.environments.worker.boot import OnePackage

folder = str(Path(penstock.__file__).parent)
for name in [name for name in sys.modules if name.partition(".")[0] == "penstock"]:
    del sys.modules[name]

class Refusing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

allowed = {*sys.stdlib_module_names, "penstock", "numpy"}
sys.meta_path[:0] = [Refusing(), OnePackage(folder)]
import penstock.servers.environments.worker.main
ours = [each for name, each in sys.modules.items() if name.partition(".")[0] == "penstock"]
print(json.dumps([each.__file__ for each in ours if each.__file__ is not None]))
"""

OLDEST = (3, 10)

NEWER = {
    "asyncio": {"timeout", "TaskGroup", "timeout_at"},
    "enum": {"StrEnum"},
    "datetime": {"UTC"},
    "typing": {"NotRequired", "Required", "Self", "Never", "assert_never", "LiteralString"},
}
"""What modules have from 3.11 on only. (``asyncio.Runner`` is for ``execution: process`` alone.)"""


@pytest.fixture(scope="module")
def files() -> list[Path]:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [Path(each) for each in json.loads(done.stdout)]


def test_it_needs_numpy_alone(files: list[Path]) -> None:
    names = {each.name for each in files}
    assert {"host.py", "python_loader.py", "bound_model.py", "model.py"} <= names


def test_it_is_written_in_what_the_oldest_python_has(files: list[Path]) -> None:
    newer = []
    for file in files:
        tree = ast.parse(file.read_text(), feature_version=OLDEST)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in NEWER:
                found = NEWER[node.module] & {each.name for each in node.names}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found = NEWER.get(node.value.id, set()) & {node.attr}
            else:
                continue
            newer += [f"{file}:{node.lineno} {name}" for name in found]
    assert newer == []
