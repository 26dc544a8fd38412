"""Cases with one ending as one row: dials that do not matter are left out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from penstock.core.outcomes.dials import Dial, Setting

EndingT = TypeVar("EndingT", bound=Hashable)


class Row(NamedTuple, Generic[EndingT]):
    """Every case in which these dials stand like this ends in this way.

    Several rows may fit a case; then they say the same.
    """

    when: Mapping[Dial, bool]
    ending: EndingT


def rows_of(
    cases: Sequence[tuple[Setting, EndingT]],
    wanted: Callable[[Setting, EndingT], bool] = lambda setting, ending: True,
) -> list[Row[EndingT]]:
    """Rows for the cases that are ``wanted``, none of which fits any other case of another ending.

    As in the minimization of truth tables (the expansion of Espresso): of each case that no row
    fits yet, one dial after another is left out unless that would let in a case that ends
    otherwise. A step that fails is left out last.
    """
    index = _Index(cases)
    rows: list[Row[EndingT]] = []
    done = 0
    for number, (setting, ending) in enumerate(cases):
        if done >> number & 1 or not wanted(setting, ending):
            continue
        same = index.ending_so[ending]
        when = dict(setting)
        for dial in _least_first(setting):
            value = when.pop(dial)
            if index.fitting(when) & ~same:
                when[dial] = value
        ordered = {dial: value for dial, value in setting.items() if dial in when}
        rows.append(Row(ordered, ending))
        done |= index.fitting(when)
    return rows


def _least_first(setting: Setting) -> list[Dial]:
    """The dials that may be left out, last the steps that fail, which a person would name.

    The later a dial is come to, the more it depends on others, and the sooner it is left out.
    """
    failed = [dial for dial, turned in setting.items() if turned and dial.kind == "fails"]
    others = [dial for dial in setting if dial.kind != "late" and dial not in failed]
    return [*reversed(others), *reversed(failed)]


class _Index(Generic[EndingT]):
    """Which cases have a dial so, and which an ending: sets of numbers, as bits."""

    def __init__(self, cases: Iterable[tuple[Setting, EndingT]]) -> None:
        self.ending_so: dict[EndingT, int] = {}
        self._set_so: dict[tuple[Dial, bool], int] = {}
        self._all = 0
        for number, (setting, ending) in enumerate(cases):
            bit = 1 << number
            self._all |= bit
            self.ending_so[ending] = self.ending_so.get(ending, 0) | bit
            for item in setting.items():
                self._set_so[item] = self._set_so.get(item, 0) | bit

    def fitting(self, when: Mapping[Dial, bool]) -> int:
        """The cases in which these dials stand so."""
        fitting = self._all
        for item in when.items():
            fitting &= self._set_so[item]
        return fitting
