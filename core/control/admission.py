"""Which of the versions that are loaded may serve: none that breaks a pipeline that is served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from penstock.core.signature import Signature

Signatures: TypeAlias = Mapping[str, Signature | None]
"""Those of new versions of models, by the models' names; None where nothing is known."""


class Breakage(NamedTuple):
    """A pipeline that would serve no more, and the sentence that names the edge.

    ``serving`` are the models that it calls, ``models`` also those of the version that is wanted
    in its place.
    """

    pipeline: str
    sentence: str
    serving: frozenset[str]
    models: frozenset[str]

    def __str__(self) -> str:
        return f"it would break pipeline '{self.pipeline}': {self.sentence}"


Breaks: TypeAlias = Callable[[Signatures], Awaitable[list[Breakage]]]
"""What would break if all these versions came to serve together."""


class Verdict(NamedTuple):
    """The models whose new versions may serve, and for the others what they would break."""

    admitted: frozenset[str]
    blocked: Mapping[str, Sequence[Breakage]]


async def judge(candidates: Signatures, breaks: Breaks) -> Verdict:
    """Find candidates that may come to serve together: all, or as many as simple trials find.

    Versions that fit each other, though not the ones that serve, are let in at once: two models on
    an edge could never change otherwise.
    """
    left = dict(candidates)
    while guilty := _guilty(await breaks(left), left):
        one = await _enough_without(left, guilty, breaks)
        for name in guilty if one is None else (one,):
            del left[name]
    blocked = {}
    for name in [name for name in candidates if name not in left]:
        # It may be here for another's guilt; what it breaks by itself is its own.
        tried = {**left, name: candidates[name]}
        found = await breaks(tried)
        if _guilty(found, tried):
            blocked[name] = found
        else:
            left = tried
    return Verdict(frozenset(left), blocked)


def waiting_of(
    blocked: Mapping[str, Sequence[Breakage]], coming: Callable[[str], bool]
) -> dict[str, frozenset[str]]:
    """Which of those that are blocked may yet be let in, each with the models that it waits for.

    These are on their way themselves (``coming``), or wait in turn.
    """
    involved = {
        name: frozenset().union(*(each.models for each in found)) - {name}
        for name, found in blocked.items()
    }
    open_models = {model for models in involved.values() for model in models if coming(model)}
    while more := {n for n, models in involved.items() if models & open_models} - open_models:
        open_models |= more
    return {name: models & open_models for name, models in involved.items() if models & open_models}


def _guilty(found: Sequence[Breakage], candidates: Signatures) -> list[str]:
    calls = frozenset().union(*(breakage.serving for breakage in found))
    return [name for name in candidates if name in calls]


async def _enough_without(
    candidates: Signatures, guilty: Sequence[str], breaks: Breaks
) -> str | None:
    """The one without which all the others break nothing, if there is one."""
    for name in guilty if len(guilty) > 1 else ():
        others = {other: each for other, each in candidates.items() if other != name}
        if not await breaks(others):
            return name
    return None
