"""The pages of several processes as one, on which each sample says whose it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from penstock.core.contracts.page import PageContent

LABEL: Final = "worker"

_SAMPLE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\{)?(.*)")


def merged_page(pages: Mapping[str, PageContent]) -> PageContent:
    """All pages, by the names of their processes, with these as a label."""
    families: dict[str, _Family] = {}
    for name, page in pages.items():
        _take(page.body.decode(), name, families)
    body = "".join([text for family in families.values() for text in family.lines()])
    return PageContent(next(iter(pages.values())).media_type, body.encode())


class _Family:
    """A metric: what is said of it, and its samples on all pages."""

    def __init__(self) -> None:
        self.said: dict[str, None] = {}
        self.samples: list[str] = []

    def lines(self) -> list[str]:
        """As a page has it."""
        return [*self.said, *self.samples]


def _take(page: str, name: str, families: dict[str, _Family]) -> None:
    """Add what stands on a page, where samples stand behind what is said of their family."""
    family = _Family()
    for line in page.splitlines(keepends=True):
        if not line.startswith("#"):
            family.samples.append(_labelled(line, name))
            continue
        words = line.split(" ", 3)
        if words[1] in ("HELP", "TYPE"):
            family = families.setdefault(words[2], _Family())
            family.said[line] = None


def _labelled(line: str, name: str) -> str:
    """A sample with the label before all others."""
    found = _SAMPLE.match(line)
    if found is None:
        return line
    metric, brace, rest = found.groups()
    label = f'{LABEL}="{name}"'
    if brace is None:
        return f"{metric}{{{label}}}{rest}\n"
    separator = "" if rest.startswith("}") else ","
    return f"{metric}{{{label}{separator}{rest}\n"
