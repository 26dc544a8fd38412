"""The kinds of resources that there are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from penstock.core.resources.experiment import Experiment
from penstock.core.resources.manifest import Manifest
from penstock.core.resources.model import Model
from penstock.core.resources.pipeline import Pipeline
from penstock.core.resources.server import Server

KINDS: Final[Mapping[str, type[Manifest]]] = MappingProxyType(
    {"Server": Server, "Model": Model, "Pipeline": Pipeline, "Experiment": Experiment}
)
"""The class of each kind, in the order in which resources lean on each other."""
