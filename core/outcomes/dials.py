"""What can go one way or the other in a request, and how that is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

DialKind: TypeAlias = Literal["left-out", "silent", "fails", "late"]
"""A tensor is left out; a pipeline that is a step has no output; a step fails; a call of it never
comes back."""


class Dial(NamedTuple):
    """One thing that can go one way or the other: as usual (False), or not (True).

    ``step`` is None for the request, ``round`` counts the rounds of a loop, and ``tensor`` is the
    one that is left out.
    """

    kind: DialKind
    step: str | None
    round: int = 0
    tensor: str = ""


Setting: TypeAlias = dict[Dial, bool]
"""How the dials stand that a request has come to, in the order in which it did."""


_WORDS: Final = {
    "silent": ("has an output", "has no output"),
    "fails": ("does not fail", "fails"),
    "late": ("comes back", "does not come back"),
}


def words_of(setting: Mapping[Dial, bool]) -> str:
    """A sentence about these dials: ``conditional puts out OUTPUT0 and leaves out OUTPUT1``."""
    owners: dict[tuple[str | None, int], list[tuple[Dial, bool]]] = {}
    for dial, turned in setting.items():
        owners.setdefault((dial.step, dial.round), []).append((dial, turned))
    return ", ".join(
        _of_one(step, number, dials) for (step, number), dials in sorted(owners.items(), key=_first)
    )


def listed(names: Sequence[str], word: str = "and") -> str:
    """``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def _first(item: tuple[tuple[str | None, int], object]) -> bool:
    """The request is spoken of first; else the order stays."""
    return item[0][0] is not None


def _of_one(step: str | None, number: int, dials: Iterable[tuple[Dial, bool]]) -> str:
    there: list[str] = []
    gone: list[str] = []
    others: list[str] = []
    for dial, turned in dials:
        if dial.kind == "left-out":
            (gone if turned else there).append(dial.tensor)
        else:
            others.append(_WORDS[dial.kind][turned])
    if step is None:
        parts = [
            f"{word} {listed(names)}"
            for word, names in (("with", there), ("without", gone))
            if names
        ]
        return f"a request {' and '.join(parts)}"
    for verb, names in (("puts out", there), ("leaves out", gone)):
        if names:
            others.append(f"{verb} {listed(names)}")
    who = step if not number else f"{step} in round {number}"
    return f"{who} {' and '.join(others)}"
