"""Where two ways through the same graph differ, and by how much."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from penstock.core.journal.story import PortRecord, Story
from penstock.core.records import Absent, Failed, Port, Tensors
from penstock.core.tensors import Tensor

TOLERANCE: Final = 1e-6
"""Numbers that differ by no more than this part of the greater one count as equal."""


class Difference(NamedTuple):
    """What is not the same at one port. ``by`` is the greatest distance of two elements of
    ``tensor``, ``reader`` the pipeline whose port it is where that read the one that was called."""

    port: Port
    round: int
    what: str
    by: float | None = None
    reader: str | None = None
    tensor: str | None = None

    def __str__(self) -> str:
        at = f"{self.port}, round {self.round}" if self.round else str(self.port)
        return f"{at}: {self.what}" if self.reader is None else f"{self.reader}: {at}: {self.what}"


def differences(recorded: Story, played: Story, tolerance: float = TOLERANCE) -> list[Difference]:
    """Every port that was recorded and did not end the same again, in the order of the recording,
    and then those that ended this time alone. Contents that are not there are not compared."""
    then = {(record.port, record.round): record for record in recorded.records}
    now = {(record.port, record.round): record for record in played.records}
    found = []
    for key, record in then.items():
        again = now.get(key)
        if again is None:
            found.append(Difference(*key, f"was {_state(record)}, and did not end this time"))
        else:
            found += between(record, again, tolerance)
    steps_kept = any(port.step is not None for port, _ in then)
    if recorded.plan is not None and recorded.plan.record != "all":
        steps_kept = False  # but for those that other pipelines read
    for key, record in now.items():
        if key not in then and (steps_kept or key[0].step is None):
            found.append(Difference(*key, f"is {_state(record)}, and did not end then"))
    return found


def _state(record: PortRecord) -> str:
    body = record.body
    if isinstance(body, Failed):
        return f"failed ({body.code})"
    return f"absent ({body.cause})" if isinstance(body, Absent) else "a value"


def between(then: PortRecord, now: PortRecord, tolerance: float) -> list[Difference]:
    """Where two ends of one port differ: in how it ended, in what there is, or in tensors."""
    at = (then.port, then.round)
    before, after = then.body, now.body
    if isinstance(before, Absent | Failed) or isinstance(after, Absent | Failed):
        states = _state(then), _state(now)
        same = states[0] == states[1]
        return [] if same else [Difference(*at, f"was {states[0]}, is {states[1]}")]
    names = [tensor.name for tensor in before], [tensor.name for tensor in after]
    if names[0] != names[1]:
        written = [", ".join(each) for each in names]
        return [Difference(*at, f"held {written[0]}, holds {written[1]}")]
    return [
        Difference(*at, f"{old.name}: {said[0]}", said[1], tensor=old.name)
        for old, new in _pairs(before, after)
        if (said := _tensor_difference(old, new, tolerance)) is not None
    ]


def _pairs(before: Tensors, after: Tensors) -> list[tuple[Tensor, Tensor]]:
    return list(zip(before, after, strict=True))


def _tensor_difference(
    old: Tensor, new: Tensor, tolerance: float
) -> tuple[str, float | None] | None:
    """What is not the same, and the greatest distance; None when it is the same."""
    if (old.datatype, old.shape) != (new.datatype, new.shape):
        return (
            f"was {old.datatype} {list(old.shape)}, is {new.datatype} {list(new.shape)}",
            None,
        )
    if not (old.has_contents and new.has_contents) or old == new:
        return None
    before, after = old.array.ravel(), new.array.ravel()
    if old.datatype in ("BYTES", "BOOL"):
        other = int(np.count_nonzero(before != after))
        return f"{other} of {old.size} elements are not the same", None
    return _distance(before, after, tolerance, exact=before.dtype.kind in "iu")


def _distance(
    before: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
    after: np.ndarray[tuple[int, ...], np.dtype[np.generic]],
    tolerance: float,
    *,
    exact: bool,
) -> tuple[str, float | None] | None:
    if exact:
        unequal = before != after
        # As Python's numbers, for the difference of two may not fit the datatype.
        gaps = [
            abs(int(a) - int(b))
            for a, b in zip(before[unequal].tolist(), after[unequal].tolist(), strict=True)
        ]
        by = float(max(gaps, default=0))
    else:
        a, b = before.astype(np.float64), after.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            gap = np.abs(a - b)
            near = gap <= tolerance * np.maximum(np.abs(a), np.abs(b))
        same = near | (a == b) | (np.isnan(a) & np.isnan(b))
        unequal = ~same
        finite = gap[unequal & np.isfinite(gap)]
        by = float(finite.max()) if finite.size else float("inf")
    other = int(np.count_nonzero(unequal))
    if not other:
        return None
    return f"{other} of {before.size} elements differ, by up to {by:.6g}", by
