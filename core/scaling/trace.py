"""A trace of load: how often models are called over time, and how long a call takes."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from penstock.core.errors import InvalidRequestError

COLUMNS: Final = ("time", "model", "rate", "service")

DEFAULT_MODEL: Final = "model"
DEFAULT_SERVICE_MS: Final = 100.0


class TracePoint(NamedTuple):
    """From ``time_s`` on a model is called ``rate`` times per second, and a call that does not
    wait takes ``service_ms``."""

    time_s: float
    model: str
    rate: float
    service_ms: float


def read_trace(lines: Iterable[str], name: str) -> dict[str, list[TracePoint]]:
    """The points of each model in the order of time, from CSV with a heading or JSON lines.

    Columns or keys are ``time`` (seconds), ``model``, ``rate`` (calls per second) and ``service``
    (milliseconds); ``model`` and ``service`` may be left out. Raises InvalidRequestError, which
    names the line of the file ``name``.
    """
    points: dict[str, list[TracePoint]] = {}
    for place, row in _rows(lines, name):
        point = _point(row, place)
        of_model = points.setdefault(point.model, [])
        if of_model and point.time_s < of_model[-1].time_s:
            raise InvalidRequestError(
                f"{place}: time {point.time_s:g} comes after {of_model[-1].time_s:g}; sort the "
                "trace by time"
            )
        of_model.append(point)
    if not points:
        raise InvalidRequestError(
            f"{name} has no points; write a line 'time,rate', and one for each change of the load"
        )
    return points


def _rows(lines: Iterable[str], name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row as a mapping, with where it stands."""
    headings: list[str] | None = None
    for number, written in enumerate(lines, 1):
        line = written.strip()
        if not line or line.startswith("#"):
            continue
        place = f"{name}:{number}"
        if line.startswith("{"):
            yield place, _json_row(line, place)
            continue
        [cells] = csv.reader([line])
        cells = [cell.strip() for cell in cells]
        if headings is None:
            headings = _headings(cells, place)
        elif len(cells) != len(headings):
            raise InvalidRequestError(
                f"{place}: has {len(cells)} cells, and the heading has {len(headings)}"
            )
        else:
            yield place, dict(zip(headings, cells, strict=True))


def _json_row(line: str, place: str) -> Mapping[str, Any]:
    try:
        row: Mapping[str, Any] = json.loads(line)
    except ValueError as error:
        raise InvalidRequestError(f"{place}: is no JSON ({error})") from None
    return row


def _headings(cells: list[str], place: str) -> list[str]:
    unknown = [cell for cell in cells if cell not in COLUMNS]
    if unknown or "time" not in cells or "rate" not in cells:
        raise InvalidRequestError(
            f"{place}: the heading must name time and rate, and may name model and service; it is "
            f"'{','.join(cells)}'"
        )
    return cells


def _point(row: Mapping[str, Any], place: str) -> TracePoint:
    service_ms = _number(row, "service", place, DEFAULT_SERVICE_MS)
    if not service_ms:
        raise InvalidRequestError(f"{place}: service must be more than 0 ms")
    return TracePoint(
        _number(row, "time", place),
        str(row.get("model") or DEFAULT_MODEL),
        _number(row, "rate", place),
        service_ms,
    )


def _number(row: Mapping[str, Any], key: str, place: str, default: float | None = None) -> float:
    written = row.get(key, "")
    if written == "" and default is not None:
        return default
    try:
        number = float(written)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 <= number < math.inf:
        raise InvalidRequestError(f"{place}: {key} must be a number of at least 0, not '{written}'")
    return number
