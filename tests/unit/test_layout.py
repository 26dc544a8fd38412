"""The folders, the links, the wheel's map and the layers stay in step."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "joins", "transports", "servers", "plugins", "proto", "testing")
ALLOWED = {
    "proto": {"proto"},
    "core": {"core", "proto"},
    "joins": {"joins", "core", "proto"},
    "transports": {"transports", "core", "proto"},
    "servers": {"servers", "core", "proto"},
    "plugins": {"plugins", "core", "proto"},
    # The kit knows the built-in joins by name, as a manifest does; nothing else imports the kit.
    "testing": {"testing", "joins", "core", "proto"},
}


def wheel() -> dict[str, object]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    target: dict[str, object] = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    return target


@pytest.mark.parametrize("package", PACKAGES)
def test_link_leads_to_the_folder(package: str) -> None:
    link = ROOT / "src" / "penstock" / package
    assert link.is_symlink()
    assert link.resolve() == ROOT / package
    assert (ROOT / package / "__init__.py").is_file()


def test_wheel_holds_every_package_and_nothing_else() -> None:
    target = wheel()
    own = {"src/penstock/__init__.py", "src/penstock/py.typed"}
    assert set(target["only-include"]) == own | set(PACKAGES)  # type: ignore[call-overload]  # TOML
    assert target["sources"] == {
        "src/penstock": "penstock",
        **{package: f"penstock/{package}" for package in PACKAGES},
    }


def imported(package: str) -> Iterator[tuple[Path, str]]:
    """Every module of ours that a package imports, wherever in a file."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
                if node.module == "penstock":
                    yield from ((path, f"penstock.{alias.name}") for alias in node.names)
                else:
                    yield path, node.module
            elif isinstance(node, ast.Import):
                yield from ((path, alias.name) for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_layer_is_skipped_or_turned_round(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path, module in imported(package)
        if module.startswith("penstock.")
        and (layer := module.split(".")[1]) in PACKAGES
        and layer not in ALLOWED[package]
    ]
    assert wrong == []
