"""Joins as strategies are shown them, written as one letter a source."""

from __future__ import annotations

from penstock.core.contracts.join import JoinView, SourceState, SourceView
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
