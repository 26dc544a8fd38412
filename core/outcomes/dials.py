"""What can go one way or the other in a request, and how that is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

DialKind: TypeAlias = Literal["left-out", "silent", "fails", "late", "unheard"]
"""A tensor is left out; a pipeline that is a step has no output; a step fails; a call of it never
comes back. Ports of other pipelines lack a tensor, are absent, or failed; one that is read never
hears of the request."""


class Dial(NamedTuple):
    """One thing that can go one way or the other: as usual (False), or not (True).

    ``step`` is None for the request. It may be a port of another pipeline (``credit.outputs``), or,
    for the last kind, that pipeline. ``round`` counts the rounds of a loop, and ``tensor`` is the
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
    "unheard": ("hears of the request", "never hears of the request"),
}


def is_port(step: str) -> bool:
    """Whether that is a port of another pipeline, and no step."""
    return "." in step


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


def _of_port(so: Mapping[DialKind, bool], holds: Sequence[str]) -> str:
    """What is said of a port of another pipeline: ``holds`` are the words about tensors."""
    if so.get("fails"):
        return "failed"
    if so.get("silent"):
        return "is absent"
    if holds:
        return " and ".join(holds)
    return "did not fail" if "silent" not in so else "is there"


def _of_one(step: str | None, number: int, dials: Iterable[tuple[Dial, bool]]) -> str:
    there: list[str] = []
    gone: list[str] = []
    others: dict[DialKind, bool] = {}
    for dial, turned in dials:
        if dial.kind == "left-out":
            (gone if turned else there).append(dial.tensor)
        else:
            others[dial.kind] = turned
    if step is None:
        return f"a request {' and '.join(_tensors('with', there, 'without', gone))}"
    if is_port(step):
        holds = _tensors("holds", there, "lacks", gone)
        return f"{step.removesuffix('.outputs')} {_of_port(others, holds)}"
    said = [_WORDS[kind][turned] for kind, turned in others.items()]
    said += _tensors("puts out", there, "leaves out", gone)
    who = step if not number else f"{step} in round {number}"
    return f"{who} {' and '.join(said)}"


def _tensors(verb: str, there: Sequence[str], other: str, gone: Sequence[str]) -> list[str]:
    return [f"{word} {listed(names)}" for word, names in ((verb, there), (other, gone)) if names]
