"""Plug-ins that cannot be loaded: each is named, with its distribution and the cause."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.entry_points import FakeDistribution, FakeEntryPoint, a_plugin
from penstock.core.plugins.discovery import load


def problem_of(entry_point: FakeEntryPoint | EntryPoint) -> str:
    loaded = load(entry_point)
    assert loaded.problem is not None
    return str(loaded.problem)


def test_a_plug_in_is_loaded() -> None:
    plugin = a_plugin()
    loaded = load(FakeEntryPoint("fine", plugin))
    assert (loaded.plugin, loaded.problem, loaded.unavailable) == (plugin, None, None)


@pytest.mark.parametrize("missing", ["pkg", "pkg.mod"])
def test_a_module_that_is_missing(missing: str) -> None:
    error = ModuleNotFoundError(f"No module named '{missing}'", name=missing)
    assert problem_of(FakeEntryPoint("gone", error, "pkg.mod:plugin")) == (
        "plug-in 'gone' (some-dist 1.0): its module 'pkg.mod' is missing; install some-dist again"
    )


def test_a_module_that_imports_what_is_missing() -> None:
    error = ModuleNotFoundError("No module named 'kafka'", name="kafka")
    assert problem_of(FakeEntryPoint("stream", error, "pkg.mod")) == (
        "plug-in 'stream' (some-dist 1.0): its module 'pkg.mod' fails on import: "
        "ModuleNotFoundError: No module named 'kafka'"
    )


def test_a_module_whose_name_only_begins_the_same_is_not_the_plug_ins_own() -> None:
    error = ModuleNotFoundError("No module named 'pk'", name="pk")
    assert "fails on import" in problem_of(FakeEntryPoint("p", error, "pkg.mod"))


@pytest.mark.parametrize("error", [RuntimeError("no\n  licence"), SystemExit("no licence")])
def test_a_module_that_fails_on_import(error: BaseException) -> None:
    assert problem_of(FakeEntryPoint("moody", error)) == (
        "plug-in 'moody' (some-dist 1.0): its module 'some_module' fails on import: "
        f"{type(error).__name__}: no licence"
    )


def test_an_object_that_is_missing_in_its_module() -> None:
    entry_point = EntryPoint("p", "json:plugin", "penstock")
    assert problem_of(entry_point) == (
        "plug-in 'p': 'json:plugin' cannot be loaded: "
        "AttributeError: module 'json' has no attribute 'plugin'"
    )


def test_a_missing_extra_makes_a_plug_in_unavailable_and_is_no_problem() -> None:
    entry_point = FakeEntryPoint(
        "sklearn",
        ModuleNotFoundError("No module named 'sklearn'", name="sklearn"),
        "penstock.servers.sklearn_plugin [sklearn]",
        FakeDistribution("penstock", "0.1.0"),
        ["sklearn"],
    )
    loaded = load(entry_point)
    assert loaded.problem is None
    assert loaded.unavailable == "'sklearn' is not installed; pip install 'penstock[sklearn]'"


def test_the_module_itself_missing_is_a_problem_in_spite_of_extras() -> None:
    error = ModuleNotFoundError("No module named 'mod'", name="mod")
    entry_point = FakeEntryPoint("p", error, "mod [extra]", extras=["extra"])
    assert "its module 'mod' is missing" in problem_of(entry_point)


def test_an_object_without_penstock_api() -> None:
    assert problem_of(FakeEntryPoint("p", SimpleNamespace(), "pkg:thing")) == (
        "plug-in 'p' (some-dist 1.0): 'pkg:thing' has no 'penstock_api'; write penstock_api = 1"
    )


@pytest.mark.parametrize("version", [0, 2, "1", True])
def test_a_plug_in_for_another_penstock_api(version: object) -> None:
    assert problem_of(FakeEntryPoint("p", SimpleNamespace(penstock_api=version))) == (
        f"plug-in 'p' (some-dist 1.0): it is made for penstock_api {version!r}, "
        "and this Penstock supports 1; install a version of it that fits, or disable it"
    )


def test_real_modules_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "breaks_on_import.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "fails on import" in problem_of(EntryPoint("a", "breaks_on_import", "penstock"))
    assert "is missing" in problem_of(EntryPoint("b", "never_written", "penstock"))
    assert "breaks_on_import" not in sys.modules
