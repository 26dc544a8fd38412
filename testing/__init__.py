"""A kit for authors of plug-ins to test what they write, in virtual time and without a server.

:class:`JoinLaws` holds a join to the laws of joins. :class:`SimulatedPipeline` runs a manifest
over scripted models.
"""

try:
    from penstock.core.clock import VirtualClock
    from penstock.testing.laws import JoinLaws
    from penstock.testing.pipeline import SimulatedPipeline, SimulatedRequest
    from penstock.testing.scripts import NEVER, Reaction, fails, named, puts_out, tensor
except ModuleNotFoundError as error:
    if error.name != "hypothesis":
        raise
    raise ImportError(
        "penstock.testing needs hypothesis, which is not installed: pip install 'penstock[testing]'"
    ) from error

__all__ = [
    "NEVER",
    "JoinLaws",
    "Reaction",
    "SimulatedPipeline",
    "SimulatedRequest",
    "VirtualClock",
    "fails",
    "named",
    "puts_out",
    "tensor",
]
