"""Every outcome of a pipeline, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich.text import Text

from penstock.core.outcomes import Dial, Ending, PipelineOutcomes, Row
from penstock.core.outcomes.dials import is_port, listed, words_of
from penstock.core.outcomes.result import Result, words_of_endings

WHEN: Final = "when"
OUTCOME: Final = "outcome"
IN_SELDON: Final = "in Seldon Core 2"

_STYLES: Final = {
    "answer": "green",
    "done": "green",
    "no-output": "yellow",
    "failed": "red",
    "round-again": "cyan",
}
_ORDER: Final = tuple(_STYLES)


def headings_of(outcomes: PipelineOutcomes) -> tuple[str, ...]:
    """The columns: what Seldon Core 2 would do only where something is different there."""
    differs = any(row.ending.in_seldon is not None for row in _rows(outcomes))
    return (WHEN, OUTCOME, IN_SELDON) if differs else (WHEN, OUTCOME)


def cells_of(outcomes: PipelineOutcomes) -> Iterator[list[Text]]:
    """The rows of the table; all that ends alike stands in one."""
    columns = len(headings_of(outcomes))
    sections = (
        ("if no step fails", outcomes.usual),
        ("if steps fail", outcomes.failing),
        ("if a step never comes back", outcomes.late),
        ("if other pipelines begin it", outcomes.begun.brought),
        ("if not all of them hear of the request", outcomes.begun.unheard),
    )
    for title, rows in sections:
        if not rows:
            continue
        yield [Text(title, "italic"), *(Text() for _ in range(columns - 1))]
        for result, alike in _alike(rows):
            cells = [Text("\n").join(_conditions(alike)), _colored(result.endings)]
            if columns > len(cells):
                cells.append(Text("the same", "dim"))
                if result.in_seldon is not None:
                    cells[-1] = _colored(result.in_seldon)
            yield cells


def notes_of(outcomes: PipelineOutcomes) -> list[str]:
    """What the table rests on, and what follows from it."""
    count = outcomes.cases
    played = f"{count} case{'s' if count > 1 else ''}"
    notes = [f"{played}: every combination of what may be left out and of steps that fail"]
    if outcomes.most_turned is not None:
        notes = [
            f"{played}, and there are more: at most {outcomes.most_turned} things at a time are "
            "left out or fail here, so nothing follows for other combinations"
        ]
    begun = outcomes.begun
    if begun.cases:
        few = "" if begun.certain else ", the first of many"
        cases = f"{begun.cases} case{'s' if begun.cases > 1 else ''}"
        notes.append(f"{cases} of what other pipelines bring, while no step fails{few}")
    if outcomes.windows:
        notes.append(f"needs its window, where a call never comes back: {listed(outcomes.windows)}")
    if begun.waits:
        notes.append("needs its window, where not all of them hear of the request: the input")
    notes += [f"never runs: {name} ({reason})" for name, reason in outcomes.never_runs.items()]
    return notes


def document_of(outcomes: PipelineOutcomes) -> dict[str, Any]:
    """The same for programs. A row says of which things it matters how they go; rows may overlap,
    and then say the same."""
    return {
        "cases": outcomes.cases,
        "every_case": outcomes.most_turned is None,
        "most_deviations": outcomes.most_turned,
        "usual": [_row(row) for row in outcomes.usual],
        "failing": [_row(row) for row in outcomes.failing],
        "late": [_row(row) for row in outcomes.late],
        "begun_by_others": [_row(row) for row in outcomes.begun.brought],
        "unheard_of": [_row(row) for row in outcomes.begun.unheard],
        "ended_by_windows": list(outcomes.windows),
        "never_runs": dict(outcomes.never_runs),
    }


def _rows(outcomes: PipelineOutcomes) -> Iterator[Row[Result]]:
    yield from (*outcomes.usual, *outcomes.failing, *outcomes.late)
    yield from (*outcomes.begun.brought, *outcomes.begun.unheard)


def _alike(rows: Iterable[Row[Result]]) -> list[tuple[Result, list[Row[Result]]]]:
    """Rows by how they end, answers first."""
    alike: dict[Result, list[Row[Result]]] = {}
    for row in rows:
        alike.setdefault(row.ending, []).append(row)
    return sorted(alike.items(), key=lambda item: _ORDER.index(item[0].endings[0].kind))


def _conditions(rows: Sequence[Row[Result]]) -> list[Text]:
    """When, one condition a line; steps of which nothing else is said stand together."""
    together: dict[str, list[str]] = {}
    lines = []
    for row in rows:
        [(dial, turned), *others] = row.when.items() or [(None, False)]
        words = words_of(row.when)
        if dial is None:
            lines.append("always")
        elif not others and turned and dial.step is not None and dial.kind != "left-out":
            who, _, verb = words.partition(" ")
            together.setdefault(verb, []).append(who)
        else:
            lines.append(words)
    lines[:0] = [f"{listed(names, 'or')} {verb}" for verb, names in together.items()]
    return [
        Text.assemble(("or ", "dim"), line) if number else Text(line)
        for number, line in enumerate(lines)
    ]


def _colored(endings: Sequence[Ending]) -> Text:
    return Text(words_of_endings(endings), _STYLES[endings[0].kind])


def _row(row: Row[Result]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "when": _dials(row.when),
        "words": words_of(row.when) or "always",
        "endings": [_ending(each) for each in row.ending.endings],
    }
    if row.ending.in_seldon is not None:
        document["in_seldon_core_2"] = [_ending(each) for each in row.ending.in_seldon]
    return document


def _dials(when: Mapping[Dial, bool]) -> list[dict[str, Any]]:
    return [
        {
            **_whose(dial),
            "round": dial.round,
            "tensor": dial.tensor or None,
            "what": dial.kind,
            "so": so,
        }
        for dial, so in when.items()
    ]


def _whose(dial: Dial) -> dict[str, Any]:
    """What a dial is of: a step, the request (null), or a port of another pipeline."""
    if dial.step is None or not is_port(dial.step):
        return {"step": dial.step}
    return {"step": None, "port": dial.step}


def _ending(ending: Ending) -> dict[str, Any]:
    return {
        "outcome": ending.kind,
        "words": ending.words,
        "answers": list(ending.who),
        "tensors": list(ending.tensors),
        "code": ending.code or ("no-output" if ending.kind == "no-output" else None),
        "step": ending.step or None,
        "details": list(ending.why),
        "dead_letters": list(ending.untold),
        "windows": list(ending.windows),
    }
