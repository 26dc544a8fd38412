"""The control plane: a store of resources, and what brings them from wanted to served."""

from penstock.core.control.plane import LocalControlPlane
from penstock.core.control.policy import LoadPolicy
from penstock.core.control.readiness import Shortfall
from penstock.core.control.standing import PROGRESSING
from penstock.core.control.store import ResourceKey

__all__ = ["PROGRESSING", "LoadPolicy", "LocalControlPlane", "ResourceKey", "Shortfall"]
