"""Which files a model's code is in: what loading it reads, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.servers.python_sources import source_files

CODE = {
    "models.py": "",
    "near.py": "N = 1",
    "unused.py": "",
    "pack/__init__.py": "from . import eager",
    "pack/eager.py": "",
    "pack/deep.py": "import near",
    "pack/sub/__init__.py": "",
    "pack/sub/low.py": "from ..deep import near\nfrom ... import unused",
    "spaces/inner.py": "",
    "broken.py": "def (",
}


def sources(folder: Path, code: str) -> set[str]:
    for name, text in CODE.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "models.py").write_text(code)
    found = source_files("models", [folder / "nowhere", folder])
    assert len(found) == len(set(found))
    return {str(path.relative_to(folder)) for path in found} - {"models.py"}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import json, numpy, penstock", set()),
        ("import near", {"near.py"}),
        ("from near import N", {"near.py"}),
        ("from . import near", {"near.py"}),
        ("from .near import *", {"near.py"}),
        ("def f():\n  import near", {"near.py"}),
        ("import pack", {"pack/__init__.py", "pack/eager.py"}),
        ("from pack import deep", {"pack/__init__.py", "pack/eager.py", "pack/deep.py", "near.py"}),
        ("import spaces.inner", {"spaces/inner.py"}),
        ("import broken", {"broken.py"}),
        ("import models", set()),
        (
            "import pack.sub.low",
            {
                "pack/__init__.py",
                "pack/eager.py",
                "pack/deep.py",
                "near.py",
                "unused.py",
                "pack/sub/__init__.py",
                "pack/sub/low.py",
            },
        ),
        ("def (", set()),
        ("from ..... import near", {"near.py"}),
    ],
)
def test_files_are_those_that_imports_lead_to(
    tmp_path: Path, code: str, expected: set[str]
) -> None:
    assert sources(tmp_path, code) == expected


def test_what_is_installed_has_no_files_of_the_manifest(tmp_path: Path) -> None:
    assert source_files("json", [tmp_path]) == []
    assert source_files("no_such_module", [tmp_path]) == []
