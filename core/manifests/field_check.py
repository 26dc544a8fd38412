"""Looks through a document for the fields whose outcome is not simply that they are honoured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from penstock.core.manifests.fields import FIELDS
from penstock.core.manifests.findings import Finding
from penstock.core.manifests.outcomes import ANY, Outcome, Pattern
from penstock.core.positions import YamlValue
from penstock.core.problems import KeyPath, format_path

_NOTABLE = {kind: tuple(rule for rule in rules if rule.reason) for kind, rules in FIELDS.items()}


class FieldCheck(NamedTuple):
    """What the table says about one document.

    ``refused`` are problems, ``warnings`` are of fields without effect, and ``without_effect`` has
    a sentence for each of these, for the status. ``foreign`` are the paths of fields that no
    typed value has: they have been spoken of, and are to be left out before it is read.
    """

    refused: list[Finding]
    warnings: list[Finding]
    without_effect: tuple[str, ...]
    foreign: tuple[KeyPath, ...]


def check_fields(kind: str, data: YamlValue) -> FieldCheck:
    """Hold the document of ``kind`` against the table."""
    refused, warnings, sentences, foreign = [], [], [], []
    for rule in _NOTABLE[kind]:
        for path, value in _found(data, rule.pattern, ()):
            if rule.foreign:
                foreign.append(path)
            if not rule.harms(value):
                continue
            if rule.outcome is Outcome.IDLE:
                warnings.append(Finding(path, f"has no effect: {rule.reason}", of_key=True))
                sentences.append(f"{format_path(path)} has no effect: {rule.reason}.")
            else:
                refused.append(Finding(path, rule.reason, of_key=True))
    return FieldCheck(refused, warnings, tuple(sentences), tuple(foreign))


def _found(
    value: YamlValue, pattern: Pattern, path: KeyPath
) -> Iterator[tuple[KeyPath, YamlValue]]:
    """Everything that ``pattern`` fits on, with its path."""
    if not pattern:
        yield path, value
        return
    key, rest = pattern[0], pattern[1:]
    if key == ANY:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from _found(item, rest, (*path, index))
    elif isinstance(value, dict) and key in value:
        yield from _found(value[key], rest, (*path, key))
