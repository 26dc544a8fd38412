"""How many copies models have, by their load: figures, policies damped, and the same simulated."""

from penstock.core.scaling.autoscaler import Autoscaler, Verdict
from penstock.core.scaling.damping import Damping

__all__ = ["Autoscaler", "Damping", "Verdict"]
