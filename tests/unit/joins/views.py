"""Joins as strategies are shown them, written as one letter a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from penstock.core.contracts.join import JoinView, Kept, SourceState, SourceView
from penstock.core.records import Failed

STATES = {
    "o": SourceState.OPEN,
    "v": SourceState.VALUE,
    "a": SourceState.ABSENT,
    "f": SourceState.FAILED,
}
OPENED_MS = 1000.0


def view(states: str, after_ms: float = 0.0, *, window_ended: bool = False) -> JoinView:
    """Sources that are open, values, absent or failed, so long after the visit was opened."""
    sources = tuple(
        SourceView(
            f"{'abcdefgh'[i]}.outputs",
            STATES[letter],
            None if letter == "o" else OPENED_MS,
            None if letter == "o" else i,
            (),
            Failed("step-failed", "told", "s") if letter == "f" else None,
        )
        for i, letter in enumerate(states)
    )
    now_ms = OPENED_MS + after_ms
    window_end_ms = now_ms if window_ended else None
    return JoinView(sources, OPENED_MS, now_ms, window_end_ms, window_ended, 60_000.0)


def windowed(shown: JoinView) -> JoinView:
    """The same where a window is written that has not ended."""
    return shown._replace(window_end_ms=shown.now_ms + 1.0)


def keeping(
    shown: JoinView,
    kept: Mapping[int, Sequence[int]],
    *,
    numbers: Mapping[int, int] | None = None,
    counted: Mapping[int, int] | None = None,
) -> JoinView:
    """The same with records kept of some sources, by their numbers.

    ``numbers`` are those of the request's own values, ``counted`` how many values have one.
    """
    return shown._replace(
        sources=tuple(
            source._replace(
                kept=tuple(Kept(f"r{n}", n, n, OPENED_MS, ()) for n in kept.get(i, ())),
                number=(numbers or {}).get(i),
                counted=(counted or {}).get(i, 0),
            )
            for i, source in enumerate(shown.sources)
        )
    )
