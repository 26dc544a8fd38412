"""Builds plain data, with the place of every value, from the events of a YAML parser.

From events and not from the parser's node tree, so that depth and aliases are bounded before
anything is built, and no tag can make a Python object.
"""

from __future__ import annotations

import copy
from typing import Final, NamedTuple, Protocol, TypeAlias, cast

import yaml

from penstock.core.problems import KeyPath, Position, Problem, format_path
from penstock.core.scalars import plain_scalar, tagged_scalar

YamlValue: TypeAlias = "bool | int | float | str | list[YamlValue] | dict[str, YamlValue] | None"

MAX_DEPTH: Final = 64
"""How deep mappings and lists may be nested, aliases written out."""

MAX_ALIASED_VALUES: Final = 10_000
"""How many values all aliases of one document may stand for."""

MAX_PROBLEMS: Final = 100
"""How many problems are collected before reading ends."""

_CONTAINER_TAGS: Final = (None, "!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class Mark(Protocol):
    """A place in the text as PyYAML counts, from 0."""

    line: int
    column: int


class _Event(Protocol):
    """What this module reads of PyYAML's events, which carry no types."""

    start_mark: Mark
    anchor: str | None
    tag: str | None
    value: str
    implicit: tuple[bool, bool]


class Place:
    """Where a value stands, where its key stands (itself in lists), and the places within it."""

    __slots__ = ("children", "column", "key", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.key: Place = self
        self.children: dict[str | int, Place] = {}


def _place_of(event: _Event) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


class _Value(NamedTuple):
    data: YamlValue
    place: Place
    size: int
    height: int


class _Open:
    """A mapping or a list whose end has not come yet."""

    __slots__ = ("anchor", "data", "height", "key", "place", "size")

    def __init__(self, data: dict[str, YamlValue] | list[YamlValue], event: _Event) -> None:
        self.data = data
        self.place = _place_of(event)
        self.anchor = event.anchor
        self.size = 1
        self.height = 1
        self.key: tuple[str, Place] | None = None


class HopelessError(Exception):
    """Reading on would cost time and tell nothing: the parser is quadratic in the depth."""


class DocumentBuilder:
    """Builds documents from events. Problems are collected; what is wrong is left out.

    ``documents`` holds the data of each document that is not empty, with the places in it.
    """

    def __init__(self, source: str) -> None:
        self.documents: list[tuple[YamlValue, Place]] = []
        self.problems: list[Problem] = []
        self._source = source
        self._open: list[_Open] = []
        self._anchors: dict[str, _Value] = {}
        self._aliased = 0
        # Above 0: inside a container that stands as a key; nothing is built.
        self._ignored_depth = 0

    def take(self, event: object) -> None:
        """Take the parser's next event. Raises HopelessError when reading on makes no sense."""
        seen = cast(_Event, event)
        if self._ignored_depth > MAX_DEPTH:
            raise HopelessError
        if self._ignored_depth:
            if isinstance(event, yaml.CollectionStartEvent):
                self._ignored_depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                self._ignored_depth -= 1
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(seen)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(seen, {} if isinstance(event, yaml.MappingStartEvent) else [])
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(seen)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors = {}
            self._aliased = 0

    def _problem(
        self, mark: Mark, message: str, hint: str | None = None, *, key: str | None = None
    ) -> None:
        position = Position(self._source, mark.line + 1, mark.column + 1)
        path = self._path() if key is None else (*self._path(), key)
        self.problems.append(Problem(position, format_path(path), message, hint))
        if len(self.problems) == MAX_PROBLEMS:
            raise HopelessError

    def _path(self) -> KeyPath:
        path: list[str | int] = []
        for container in self._open:
            if isinstance(container.data, list):
                path.append(len(container.data))
            elif container.key is not None:
                path.append(container.key[0])
        return tuple(path)

    def _expects_key(self) -> bool:
        if not self._open:
            return False
        container = self._open[-1]
        return isinstance(container.data, dict) and container.key is None

    def _scalar(self, event: _Event) -> None:
        if self._expects_key():
            if event.anchor is not None:
                self._anchors[event.anchor] = _Value(event.value, _place_of(event), 1, 0)
            self._take_key(event.value, event)
            return
        data: YamlValue = event.value
        try:
            if event.tag is not None:
                data = tagged_scalar(event.value, event.tag)
            elif event.implicit[0]:
                data = plain_scalar(event.value)
        except ValueError as error:
            self._problem(event.start_mark, str(error))
        self._place(_Value(data, _place_of(event), 1, 0), event.anchor)

    def _take_key(self, key: str, event: _Event) -> None:
        container = self._open[-1]
        if key == "<<":
            self._problem(
                event.start_mark, "merge keys are not supported", "write the keys out", key=key
            )
        elif key in container.data:
            first = container.place.children[key].key
            self._problem(
                event.start_mark,
                f"the key '{key}' stands here for the second time",
                f"the first is at line {first.line}",
                key=key,
            )
        container.key = (key, _place_of(event))

    def _begin(self, event: _Event, data: dict[str, YamlValue] | list[YamlValue]) -> None:
        if self._expects_key():
            self._problem(event.start_mark, "a key must be text, not a mapping or a list")
            self._ignored_depth = 1
            self._open[-1].key = ("", _place_of(event))
        else:
            self._check_depth(event, 1)
            if event.tag not in _CONTAINER_TAGS:
                self._problem(event.start_mark, f"the tag '{event.tag}' is not supported")
            self._open.append(_Open(data, event))

    def _end(self) -> None:
        done = self._open.pop()
        self._place(_Value(done.data, done.place, done.size, done.height), done.anchor)

    def _alias(self, event: _Event) -> None:
        value = self._anchors.get(event.anchor or "")
        if value is None:
            # A container's own anchor is known after its end only, so no value holds itself.
            self._problem(
                event.start_mark, f"the alias '*{event.anchor}' names no anchor that ends before it"
            )
            value = _Value(None, _place_of(event), 1, 0)
        if self._expects_key():
            if isinstance(value.data, str):
                self._take_key(value.data, event)
            else:
                self._problem(event.start_mark, "a key must be text, not a mapping or a list")
                self._open[-1].key = ("", _place_of(event))
            return
        self._aliased += value.size
        if self._aliased > MAX_ALIASED_VALUES:
            self._problem(
                event.start_mark, f"the aliases stand for more than {MAX_ALIASED_VALUES} values"
            )
            value = _Value(None, value.place, 1, 0)
        self._check_depth(event, value.height)
        place = _place_of(event)
        place.children = value.place.children
        self._place(_Value(copy.deepcopy(value.data), place, value.size, value.height), None)

    def _check_depth(self, event: _Event, height: int) -> None:
        if len(self._open) + height > MAX_DEPTH:
            self._open.clear()
            self._problem(event.start_mark, f"mappings and lists are more than {MAX_DEPTH} deep")
            raise HopelessError

    def _place(self, value: _Value, anchor: str | None) -> None:
        """Put a whole value where it belongs: into its container, or out as a document."""
        if anchor is not None:
            self._anchors[anchor] = value
        if not self._open:
            if value.data is not None:
                self.documents.append((value.data, value.place))
            return
        container = self._open[-1]
        container.size += value.size
        container.height = max(container.height, value.height + 1)
        if isinstance(container.data, list):
            container.place.children[len(container.data)] = value.place
            container.data.append(value.data)
        elif container.key is not None:
            key, value.place.key = container.key
            container.data.setdefault(key, value.data)
            container.place.children.setdefault(key, value.place)
            container.key = None
