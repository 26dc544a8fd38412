"""Without the library the plug-in says what to install."""

from __future__ import annotations

import importlib.metadata
import importlib.util

import pytest

pytest.importorskip("lux.lux", reason="LUX is not installed: pip install 'penstock[lux]'")

from harness.entry_points import FakeDistribution, FakeEntryPoint
from penstock.core.plugins.discovery import load
from penstock.plugins import lux


def test_another_library_of_the_same_name_is_not_taken_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    spec = importlib.util.find_spec(lux.__name__)
    assert spec is not None
    assert spec.loader is not None
    with pytest.raises(ModuleNotFoundError) as raised:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    value = "penstock.plugins.lux [lux]"
    dist = FakeDistribution("penstock", "0.1.0")
    loaded = load(FakeEntryPoint("lux", raised.value, value, dist, ["lux"]))
    assert loaded.unavailable == "'lux-explainer' is not installed; pip install 'penstock[lux]'"
