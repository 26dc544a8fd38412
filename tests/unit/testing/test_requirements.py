"""What the kit needs, and what it says when that is not there."""

from __future__ import annotations

import importlib
import sys

import pytest


def without(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """Have the kit imported anew, where a package is not installed."""
    for name in list(sys.modules):
        if f"{name}.".startswith(f"{missing}.") or name.startswith("penstock.testing"):
            monkeypatch.delitem(sys.modules, name)
    # So Python says that there is no such module.
    monkeypatch.setitem(sys.modules, missing, None)


def test_a_missing_package_comes_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "hypothesis")
    kit = importlib.import_module("penstock.testing")
    with pytest.raises(ImportError) as caught:
        _ = kit.JoinLaws
    assert str(caught.value) == (
        "penstock.testing needs hypothesis, which is not installed: pip install 'penstock[testing]'"
    )


def test_what_else_is_missing_is_not_blamed_on_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "penstock.core.manifests")
    kit = importlib.import_module("penstock.testing")
    with pytest.raises(ModuleNotFoundError, match=r"penstock\.core\.manifests"):
        _ = kit.SimulatedPipeline


def test_unknown_name_is_no_part_of_it() -> None:
    kit = importlib.import_module("penstock.testing")
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = kit.Nothing
    assert set(kit.__all__) <= set(dir(kit))
