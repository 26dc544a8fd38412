"""What came of requests that were sent again, for people and programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from penstock.core.cases.comparison import Difference
from penstock.core.cases.replay import VERDICTS, Replayed

_STYLES = {"same": "green", "different": "red", "failed": "red", "left-out": "yellow"}


def replayed_rows(replayed: Sequence[Replayed]) -> list[tuple[str, str, Text, Text]]:
    """A line for each request."""
    return [
        (
            each.identity,
            each.again or "",
            Text(each.verdict, _STYLES[each.verdict]),
            Text(each.why or "; ".join(map(str, each.differences))),
        )
        for each in replayed
    ]


def replayed_sentences(replayed: Sequence[Replayed]) -> Iterator[str]:
    """The greatest difference of each tensor, and how many requests came to what."""
    for name, by in _greatest(replayed).items():
        yield f"{name}: differs by up to {by:.6g}"
    counts = {verdict: _count(replayed, verdict) for verdict in VERDICTS}
    yield ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def replayed_document(pipeline: str, to: str, replayed: Sequence[Replayed]) -> dict[str, Any]:
    """All of it as plain values."""
    return {
        "pipeline": pipeline,
        "to": to,
        **{verdict.replace("-", "_"): _count(replayed, verdict) for verdict in VERDICTS},
        "greatest": {name: _finite(by) for name, by in _greatest(replayed).items()},
        "requests": [
            {
                "request": each.identity,
                "again": each.again,
                "verdict": each.verdict,
                "why": each.why,
                "differences": [_difference(found) for found in each.differences],
            }
            for each in replayed
        ],
    }


def _count(replayed: Sequence[Replayed], verdict: str) -> int:
    return sum(each.verdict == verdict for each in replayed)


def _greatest(replayed: Sequence[Replayed]) -> dict[str, float]:
    """By port and tensor."""
    greatest: dict[str, float] = {}
    for each in replayed:
        for found in each.differences:
            if found.tensor is not None and found.by is not None:
                name = f"{found.port}.{found.tensor}"
                greatest[name] = max(found.by, greatest.get(name, 0.0))
    return greatest


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "reader": found.reader,
        "port": str(found.port),
        "round": found.round,
        "tensor": found.tensor,
        "what": found.what,
        "by": None if found.by is None else _finite(found.by),
    }


def _finite(by: float) -> float | None:
    """JSON has no infinity."""
    return by if math.isfinite(by) else None
