"""A kit for authors of plug-ins to test what they write, in virtual time and without a server.

:class:`JoinLaws` holds a join to the laws of joins, :class:`FilterLaws` and :class:`SorterLaws`
filters and sorters of placement to theirs, :class:`EvictionLaws` eviction policies and
:class:`ScalerLaws` scalers. :class:`SimulatedPipeline` runs a manifest over scripted models.
:mod:`penstock.testing.cases` has pytest play case files.

The names below are loaded when they are first used, since pytest loads the last of these wherever
it is installed, and not everybody has what the others need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.core.clock import VirtualClock
    from penstock.testing.eviction import EvictionLaws
    from penstock.testing.laws import JoinLaws
    from penstock.testing.pipeline import SimulatedPipeline, SimulatedRequest
    from penstock.testing.placement import FilterLaws, SorterLaws
    from penstock.testing.scaling import ScalerLaws
    from penstock.testing.scripts import NEVER, Reaction, fails, named, puts_out, tensor

__all__ = [
    "NEVER",
    "EvictionLaws",
    "FilterLaws",
    "JoinLaws",
    "Reaction",
    "ScalerLaws",
    "SimulatedPipeline",
    "SimulatedRequest",
    "SorterLaws",
    "VirtualClock",
    "fails",
    "named",
    "puts_out",
    "tensor",
]

_PIPELINE = "penstock.testing.pipeline"
_PLACEMENT = "penstock.testing.placement"
_SCRIPTS = "penstock.testing.scripts"

_HOMES = {
    "EvictionLaws": "penstock.testing.eviction",
    "FilterLaws": _PLACEMENT,
    "JoinLaws": "penstock.testing.laws",
    "NEVER": _SCRIPTS,
    "Reaction": _SCRIPTS,
    "ScalerLaws": "penstock.testing.scaling",
    "SimulatedPipeline": _PIPELINE,
    "SimulatedRequest": _PIPELINE,
    "SorterLaws": _PLACEMENT,
    "VirtualClock": "penstock.core.clock",
    "fails": _SCRIPTS,
    "named": _SCRIPTS,
    "puts_out": _SCRIPTS,
    "tensor": _SCRIPTS,
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'penstock.testing' has no attribute '{name}'")
    try:
        value: object = getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "hypothesis":
            raise
        raise ImportError(
            "penstock.testing needs hypothesis, which is not installed: "
            "pip install 'penstock[testing]'"
        ) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
