"""Which of the versions that are loaded may serve: none that breaks a pipeline that is served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

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


MOST_TRIALS: Final = 256
"""Of one judgement, for what blocked versions have to come with: each model more that shares a
pipeline with them doubles their number."""

Breaks: TypeAlias = Callable[[Signatures], Awaitable[list[Breakage]]]
"""What would break if all these versions came to serve together."""


class Verdict(NamedTuple):
    """The models whose new versions may serve, and for the others what they would break."""

    admitted: frozenset[str]
    blocked: Mapping[str, Sequence[Breakage]]


async def judge(candidates: Signatures, breaks: Breaks) -> Verdict:
    """Find candidates that may come to serve together: all, or as many as can be added to those
    that are left when who breaks anything is taken out.

    Versions that fit each other, though not the ones that serve, are let in at once: two models on
    an edge could never change otherwise.
    """
    left = dict(candidates)
    while guilty := _guilty(await breaks(left), left):
        one = await _enough_without(left, guilty, breaks)
        for name in guilty if one is None else (one,):
            del left[name]
    # One may be out for another's guilt, or for that of one that is out itself.
    trials = iter(range(MOST_TRIALS))
    blocked: dict[str, Sequence[Breakage]] = {}
    untried = [name for name in candidates if name not in left]
    while untried:
        name = untried.pop(0)
        tried = {**left, name: candidates[name]}
        found = await breaks(tried)
        grown: Signatures | None = tried
        if _guilty(found, tried):
            grown = await _with_others(tried, found, candidates, breaks, trials)
        if grown is None:
            blocked[name] = found
        else:
            left = dict(grown)
            untried += blocked  # beside more of the others they may fit, or break something else
            untried = [each for each in untried if each not in left]
            blocked.clear()
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


async def _with_others(
    tried: Signatures,
    found: Sequence[Breakage],
    candidates: Signatures,
    breaks: Breaks,
    trials: Iterator[int],
) -> Signatures | None:
    """``tried``, which would break what was ``found``, with the fewest others that mend it; None
    where none do."""
    beginnings = [(tried, found)]
    seen = set()
    for before, broken in beginnings:
        # Whatever mends all mends the first: by a model that it calls as well, or will.
        first = next(each for each in broken if not each.serving.isdisjoint(before))
        for name in [each for each in candidates if each in first.models - before.keys()]:
            more = {**before, name: candidates[name]}
            if frozenset(more) in seen:
                continue
            if next(trials, None) is None:
                return None
            seen.add(frozenset(more))
            then = await breaks(more)
            if not _guilty(then, more):
                return more
            beginnings.append((more, then))
    return None
