"""How one case ends, here and elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from penstock.core.outcomes.dials import Dial
from penstock.core.outcomes.endings import Ending

MOST_NAMED: Final = 4
"""How many endings are told of one case that may end in several ways."""


class Result(NamedTuple):
    """How a case ends: in several ways where it matters which source comes first.

    ``in_seldon`` is how it ends where inner takes any of several tensors of one source, None where
    that makes no difference.
    """

    endings: tuple[Ending, ...]
    in_seldon: tuple[Ending, ...] | None = None

    def told(self, setting: Mapping[Dial, bool]) -> Result:
        """The same, where it does not matter which of the steps is named that failed or were late
        in this case, nor what else failed when the caller is told of a failure."""
        failed = {dial.step for dial, turned in setting.items() if turned and dial.kind == "fails"}
        late = {dial.step for dial in setting if dial.kind == "late"}
        ours, theirs = (
            None if endings is None else each_once(each.told(failed, late) for each in endings)
            for endings in self
        )
        return Result(ours or (), None if theirs == ours else theirs)


def words_of_endings(endings: Sequence[Ending]) -> str:
    """Several endings as one text."""
    said = [ending.words for ending in endings[:MOST_NAMED]]
    if len(endings) > MOST_NAMED:
        said.append("others")
    return f"{' or '.join(said)}, whichever is first" if len(said) > 1 else said[0]


def each_once(endings: Iterable[Ending]) -> tuple[Ending, ...]:
    """The endings that there are, in their order."""
    return tuple(dict.fromkeys(endings))
