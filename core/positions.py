"""YAML documents that remember where each value stands."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from penstock.core.problems import KeyPath, Position, Problem, ProblemsError, format_path
from penstock.core.validation import problems_of_validation
from penstock.core.yaml_events import DocumentBuilder, HopelessError, Mark, Place, YamlValue

__all__ = [
    "KeyPath",
    "Position",
    "PositionedDocument",
    "Problem",
    "ProblemsError",
    "YamlValue",
    "format_path",
    "problems_of_validation",
    "read_documents",
]


@dataclass(frozen=True, slots=True)
class PositionedDocument:
    """One document: plain data (mappings with text as keys) and the position of every value."""

    data: YamlValue
    source: str
    _root: Place

    @staticmethod
    def empty(source: str) -> PositionedDocument:
        """An empty mapping that stands at the beginning of ``source``."""
        return PositionedDocument({}, source, Place(1, 1))

    def has(self, path: KeyPath) -> bool:
        """Whether the text has a value at ``path`` (which may be nothing, as in ``key:``)."""
        place: Place | None = self._root
        for element in path:
            place = place.children.get(element) if place is not None else None
        return place is not None

    def position(self, path: KeyPath, *, of_key: bool = False) -> Position:
        """Where the value at ``path`` stands, or its key.

        Where nothing stands at ``path``: the nearest that does, upwards.
        """
        place = self._root
        for index, element in enumerate(path):
            child = place.children.get(element)
            if child is None:
                break
            place = child.key if of_key and index == len(path) - 1 else child
        return Position(self.source, place.line, place.column)


def read_documents(text: str, source: str) -> list[PositionedDocument]:
    """The documents of a YAML text, empty ones left out.

    Words have the values of YAML 1.2's core schema (:mod:`penstock.core.scalars`), keys are text.
    Aliases are copied; merge keys (``<<``) and tags beyond JSON's kinds are refused. Raises
    ProblemsError with everything that is wrong with the text; ``source`` names it there.
    """
    reader = DocumentBuilder(source)
    try:
        # CSafeLoader's parser is C (some 20 times faster); only its events are used.
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            reader.take(event)
    except HopelessError:
        pass
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        reader.problems.append(_syntax_problem(error, text, source))
    if reader.problems:
        raise ProblemsError(reader.problems)
    return [PositionedDocument(data, source, place) for data, place in reader.documents]


def _syntax_problem(error: Exception, text: str, source: str) -> Problem:
    mark: Mark | None = getattr(error, "problem_mark", None)
    if mark is not None:
        said = " ".join(
            part
            for part in (getattr(error, "problem", None), getattr(error, "context", None))
            if part
        )
        position = Position(source, mark.line + 1, mark.column + 1)
        return Problem(position, "", f"this is no YAML: {said}")
    # A character that YAML does not allow.
    if isinstance(error, UnicodeEncodeError):
        before = text[: error.start]
    else:
        # libyaml counts in bytes of the UTF-8 that it was given.
        offset: int = getattr(error, "position", 0)
        before = text.encode("utf-8")[:offset].decode("utf-8", "ignore")
    column = len(before) - (before.rfind("\n") + 1) + 1
    return Problem(
        Position(source, before.count("\n") + 1, column),
        "",
        f"the character {text[len(before) : len(before) + 1]!a} is not allowed in YAML",
    )
