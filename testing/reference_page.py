"""Makes ``docs/reference/testing.md`` from the test kit.

``python -m penstock.testing.reference_page FILE`` writes it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import penstock.testing
from penstock.testing import JoinLaws

_HEAD: Final = """\
# Test kit

`penstock.testing` is for authors of plug-ins: `pip install 'penstock[testing]'`. How it is used:
[write a join and test it](../how-to/write-a-join.md). Besides, pytest
[plays requests that are files](../how-to/requests.md#a-request-as-a-file), which needs pytest
alone.

This page is made from the code: `python -m penstock.testing.reference_page FILE`."""

_SHOWN: Final = ("JoinLaws", "SimulatedPipeline", "SimulatedRequest")
"""Classes of which every member is told, in this order; the others follow."""

_LAWS: Final = ("EvictionLaws", "FilterLaws", "ScalerLaws", "SorterLaws")
"""Laws of which every test is told with its docstring."""


def reference_page() -> str:
    """The page, as Markdown."""
    parts = [_HEAD]
    rest = [name for name in penstock.testing.__all__ if name not in _SHOWN]
    for name in (*_SHOWN, *rest):
        named = getattr(penstock.testing, name)
        parts.append(f"## {name}")
        if callable(named) and name not in (*_LAWS, "JoinLaws", "SimulatedRequest"):
            parts.append(f"```python\n{name}{_signature(named)}\n```")
        if callable(named):
            parts.append(_prose(named))
        else:
            parts.append("A script for a call that never comes back.")
        if name == "JoinLaws":
            parts.append(_laws())
        elif name in _LAWS:
            parts.append(_tests(named))
        elif name in _SHOWN:
            parts.append(_members(named))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _tests(laws: type) -> str:
    rows = ["| test | law |", "|---|---|"]
    for holder in reversed(laws.__mro__):  # the laws that it shares with others come first
        for name, member in vars(holder).items():
            if name.startswith("test_"):
                rows.append(f"| `{name}` | {inspect.getdoc(member)} |")
    return "\n".join(rows)


def _laws() -> str:
    rows = ["| test | law |", "|---|---|"]
    for name, member in vars(JoinLaws).items():
        if name.startswith("test_"):
            rows.append(f"| `{name}` | {_prose(member)} |")
    settings = [
        f"`{name} = {vars(JoinLaws)[name]!r}`"
        for name in ("sources", "longest_gap_ms", "max_examples")
    ]
    return "\n".join(rows) + f"\n\nA subclass may set {', '.join(settings)}."


def _members(shown: type) -> str:
    told: list[str] = []
    for name, member in vars(shown).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            told.append(f"### {name}\n\n{_prose(member)}")
        else:
            told.append(f"### {name}{_signature(member)}\n\n{_prose(member)}")
    return "\n\n".join(told)


def _signature(named: Callable[..., object]) -> str:
    # The annotations are text, as they stand in the code.
    signature = inspect.signature(named)
    told: list[str] = []
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not any(one.startswith("*") for one in told):
            told.append("*")
        star = "*" if each.kind is each.VAR_POSITIONAL else ""
        default = "" if each.default is each.empty else f" = {each.default!r}"
        if each.name != "self":
            told.append(f"{star}{each.name}: {each.annotation}{default}")
    returned = "" if isinstance(named, type) else f" -> {signature.return_annotation}"
    return f"({', '.join(told)}){returned}"


def _prose(documented: object) -> str:
    text = re.sub(r":\w+:`(\w+)`", r"`\1`", inspect.getdoc(documented) or "")
    return text.replace("``", "`")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference_page(), encoding="utf-8")
