"""Makes ``docs/reference/manifests.md`` from the table of fields and the typed values.

``python -m penstock.core.manifests.reference_page FILE`` writes it.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from penstock.core.joinspec import JoinSpec
from penstock.core.manifests.fields import COMMON, FIELDS, SKIPPED_KINDS
from penstock.core.manifests.outcomes import ANY, FieldRule, Pattern
from penstock.core.resources import KINDS, Manifest
from penstock.core.resources.quantity import Bytes
from penstock.core.resources.value import Value

_HEAD: Final = """\
# Manifests

A manifest is a YAML or JSON document with `apiVersion`, `kind`, `metadata` and `spec`; a file may
hold several. `apiVersion` is `penstock.io/v1` (meant when it is left out) or
`mlops.seldon.io/v1alpha1`; both have the same kinds and fields. Relative paths start from the
manifest's folder.

A field that is not in these tables is refused, with the nearest name that is. Every other field has
one of these outcomes:

- **honoured**
- **accepted without effect**: with a warning, and the condition `FieldsWithoutEffect` in the
  resource's status
- **refused**: never going to be honoured

A field whose value asks for nothing that is not there (as `preloaded: false`) has no consequence.
Fields marked with ° are Penstock's own, the others also stand in manifests for Seldon Core 2.

This page is made from the code: `python -m penstock.core.manifests.reference_page FILE`.
"""

_WORDS: Final[Mapping[object, str]] = types.MappingProxyType(
    {str: "text", int: "whole number", bool: "true or false", JoinSpec: "join"}
)


def reference_page() -> str:
    """The page, as Markdown."""
    parts = [_HEAD, "## All kinds\n", _table(COMMON, Manifest)]
    for kind, rules in FIELDS.items():
        parts.append(f"## {kind}\n")
        parts.append(_table(rules[len(COMMON) :], KINDS[kind]))
    parts.append("## Kinds that are skipped with a warning\n")
    parts.append("".join(f"- `{kind}`\n" for kind in SKIPPED_KINDS))
    return "\n".join(parts)


def typed_patterns(kind: type[Value]) -> Iterator[Pattern]:
    """Every field that the typed values of a kind have, sections and what is in them."""
    for field in kind.model_fields.values():
        name = str(field.alias)
        yield (name,)
        section, is_list = _section(field.annotation)
        if section is not None:
            for pattern in typed_patterns(section):
                yield (name, ANY, *pattern) if is_list else (name, *pattern)


def _table(rules: tuple[FieldRule, ...], kind: type[Value]) -> str:
    lines = ["| field | type | default | outcome | meaning |", "|---|---|---|---|---|"]
    for rule in rules:
        written, default = "", ""
        field = None if rule.foreign else _field_at(kind, rule.pattern)
        if field is not None:
            written, default = _type(field.annotation), _default(field)
        mark = "" if rule.seldon else "°"
        outcome = rule.outcome.value + (f": {rule.reason}" if rule.reason else "")
        cells = (f"`{rule.path}`{mark}", written, default, outcome, rule.meaning)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _field_at(kind: type[Value], pattern: Pattern) -> FieldInfo:
    at: type[Value] | None = kind
    found: FieldInfo | None = None
    for key in pattern:
        if key == ANY or at is None:
            continue
        found = next(field for field in at.model_fields.values() if field.alias == key)
        at, _ = _section(found.annotation)
    if found is None:
        raise LookupError(f"a pattern without keys: {pattern}")
    return found


def _section(annotation: Any) -> tuple[type[Value] | None, bool]:
    """The typed section that a field holds, if it does, and whether it is a list of them."""
    for shape in _shapes(annotation):
        if isinstance(shape, type) and issubclass(shape, Value):
            return shape, False
        if get_origin(shape) is tuple:
            section, _ = _section(get_args(shape)[0])
            if section is not None:
                return section, True
    return None, False


def _type(annotation: Any) -> str:
    return " or ".join(
        dict.fromkeys(_word(shape) for shape in _shapes(annotation) if shape is not type(None))
    )


def _word(shape: Any) -> str:
    if shape == Bytes:
        return "amount of memory"
    origin = get_origin(shape)
    if origin is Annotated:
        return _word(get_args(shape)[0])
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(shape))
    if origin is tuple:
        return f"list of {_type(get_args(shape)[0])}"
    return _WORDS.get(shape, "mapping")


def _shapes(annotation: Any) -> Iterator[Any]:
    """``annotation`` with unions taken apart; ``Annotated`` stays where it says more."""
    if get_origin(annotation) is Annotated and annotation != Bytes:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from _shapes(argument)
    else:
        yield annotation


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    if field.default_factory is not None or default is None or default == ():
        return ""
    if isinstance(default, bool):
        return "`true`" if default else "`false`"
    return f"`{default}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
