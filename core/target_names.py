"""Names that requests may be addressed to, and those that nothing can ever have."""

from __future__ import annotations

from typing import Final

from penstock.core.contracts.gateway import TargetKind
from penstock.core.errors import InvalidRequestError, NotFoundError, PenstockError
from penstock.core.names import problem_of_name

TARGET_KINDS: Final[tuple[TargetKind, ...]] = ("model", "pipeline", "experiment")

ANY_KIND: Final = "model or pipeline"
"""What a name without a suffix means, in words."""


def without_suffix(name: str) -> tuple[str, TargetKind | None]:
    """A name and the kind that its suffix says, if it has one."""
    bare, dot, suffix = name.rpartition(".")
    if dot:
        for kind in TARGET_KINDS:
            if suffix == kind:
                return bare, kind
    return name, None


def kind_taking_in(name: str) -> TargetKind:
    """The kind that a request which nobody waits for is for: a pipeline, unless its name says that
    it is for an experiment."""
    return "experiment" if without_suffix(name)[1] == "experiment" else "pipeline"


def impossible(bare: str, what: str = ANY_KIND) -> PenstockError | None:
    """The error for a name that nothing can have, whatever is served; None for any other.

    A dot too many may be a wrong suffix, of a name that is near.
    """
    if not bare:
        return InvalidRequestError(f"the request does not say which {what} it is for")
    problem = problem_of_name(bare.replace(".", ""))
    if problem is None:
        return None
    return NotFoundError(f"there can be no such {what}: {problem_of_name(bare) or problem}")
