"""What is wrong with a text that a person wrote: where, what, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from penstock.core.errors import InvalidRequestError

KeyPath: TypeAlias = tuple[str | int, ...]
"""The way from a document's root to a value: keys of mappings and indexes of lists (from 0)."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text. ``line`` and ``column`` count from 1."""

    source: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    ``path`` is the key path as people write it (:func:`format_path`; empty for the whole text),
    ``message`` says what is wrong, ``hint`` what to do about it.
    """

    position: Position
    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.position}: {self.without_position}"

    @property
    def without_position(self) -> str:
        """The problem as text that says where it is by the path alone."""
        where = f"{self.path}: " if self.path else ""
        return where + self.message + (f"; {self.hint}" if self.hint else "")


class ProblemsError(InvalidRequestError):
    """Everything that is wrong with the texts of one request, in the order of their positions."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.position))
        first = str(self.problems[0])
        count = len(self.problems)
        super().__init__(
            first if count == 1 else f"{count} problems, the first of them: {first}",
            details=[str(problem) for problem in self.problems],
        )


def format_path(path: KeyPath) -> str:
    """``("spec", "steps", 2, "a.b")`` as ``spec.steps[2]["a.b"]``."""
    written = ""
    for element in path:
        if isinstance(element, int):
            written += f"[{element}]"
        elif _PLAIN_KEY.fullmatch(element):
            written += f".{element}" if written else element
        else:
            written += f'["{element}"]'
    return written
