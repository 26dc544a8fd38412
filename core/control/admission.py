"""Which of the versions that are loaded may serve: none that breaks a pipeline that is served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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
    blocked: Mapping[str, list[Breakage]]


async def judge(candidates: Signatures, breaks: Breaks) -> Verdict:
    """Find the candidates that may come to serve together.

    Versions that fit each other, though not the ones that serve, are let in at once: two models on
    an edge could never change otherwise.
    """
    left = dict(candidates)
    blocked: dict[str, list[Breakage]] = {}
    while left:
        guilty = False
        for breakage in await breaks(left):
            for name in breakage.serving & left.keys():
                blocked.setdefault(name, []).append(breakage)
                guilty = True
        if not guilty:
            break
        left = {name: signature for name, signature in left.items() if name not in blocked}
    return Verdict(frozenset(left), blocked)
