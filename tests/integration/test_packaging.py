"""What is published is whole, also the wheel that pip makes of the source distribution."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "joins", "plugins", "proto", "servers", "testing", "transports")


def test_the_wheel_of_the_source_distribution_holds_every_module(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", tmp_path, ROOT],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = tmp_path.glob("*.whl")
    files = (
        file
        for package in PACKAGES
        for suffix in (".py", ".properties", ".xml")
        for file in (ROOT / package).rglob(f"*{suffix}")
    )
    wanted = {f"penstock/{file.relative_to(ROOT).as_posix()}" for file in files}
    with ZipFile(wheel) as packed:
        assert wanted | {"penstock/__init__.py", "penstock/py.typed"} <= set(packed.namelist())
