"""Which of the versions that are loaded may serve: none that breaks a pipeline that is served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
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
"""Of one judgement. They double with each model that is blocked with others, and who is refused
though there are others that it fits is tried again when one of these changes."""

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
    search = _Search(candidates, breaks)
    blocked: dict[str, Sequence[Breakage]] = {}
    untried = [name for name in candidates if name not in left]
    while untried:
        name = untried.pop(0)
        grown = await search.with_others(left, name)
        if grown is None:
            blocked[name] = search.found
        else:
            left = grown
            untried += blocked  # beside more of the others they may fit, or break something else
            untried = [each for each in untried if each not in left]
            blocked.clear()
    return Verdict(frozenset(left), blocked)


class _Search:
    """For what one candidate has to come with, to break nothing."""

    def __init__(self, candidates: Signatures, breaks: Breaks) -> None:
        self._candidates = candidates
        self._breaks = breaks
        self._trials = 0
        self.found: Sequence[Breakage] = ()
        """What the last one that was looked for would break by itself."""

    async def with_others(self, left: Signatures, name: str) -> dict[str, Signature | None] | None:
        """``left``, a candidate and what it has to come with; None where nothing helps."""
        first = frozenset((name,))
        seen, added = {first}, [first]
        for adding in added:
            tried = {**left, **{each: self._candidates[each] for each in sorted(adding)}}
            found = await self._breaks(tried)
            if adding is first:
                self.found = found
            if not _guilty(found, tried):
                return tried
            self._trials += 1
            if self._trials > MOST_TRIALS:
                break
            for other in self._partners(found, tried):
                more = adding | {other}
                if more not in seen:
                    seen.add(more)
                    added.append(more)
        return None

    def _partners(self, found: Sequence[Breakage], tried: Signatures) -> list[str]:
        """Who may mend the first pipeline that would break: candidates that it calls as well, or
        will."""
        broken = next(each for each in found if not each.serving.isdisjoint(tried))
        return [n for n in self._candidates if n in broken.models and n not in tried]


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
