"""How changes of resources are printed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from difflib import unified_diff
from typing import Any

from penstock.core.cli.output import Output
from penstock.core.contracts.control import Change

_STYLES = {"created": "green", "changed": "yellow", "unchanged": "dim", "deleted": "red"}

_LINE_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def print_changes(
    output: Output, changes: Sequence[Change], *, dry_run: bool = False, shows_diff: bool = False
) -> None:
    """A line for each change, with its warnings below it, and how its manifest has changed."""
    if output.is_json:
        output.json([asdict(change) for change in changes])
        return
    from rich.markup import escape
    from rich.text import Text

    would = "would be " if dry_run else ""
    for change in changes:
        what = f"[{_STYLES[change.action]}]{would}{change.action}[/]"
        output.console.print(
            f"{change.kind.lower()} [bold]{change.name}[/] {what}, version {change.version}"
            + (f": {change.because}" if change.because else "")
        )
        for warning in change.warnings:
            output.console.print(f"  [yellow]warning:[/] {escape(warning)}")
        if shows_diff:
            for line in diff_of(change):
                output.console.print(Text(f"  {line}", style=_LINE_STYLES.get(line[0], "")))


def diff_of(change: Change) -> Iterator[str]:
    """What has changed in a manifest, as the lines of a unified diff of YAML whose keys are in
    order; nothing for what is new, gone or unchanged."""
    if change.before is None or change.after is None:
        return
    before, after = (_lines(manifest) for manifest in (change.before, change.after))
    yield from unified_diff(before, after, "before", "after", lineterm="")


def _lines(manifest: Mapping[str, Any]) -> list[str]:
    import yaml

    return yaml.safe_dump(manifest, allow_unicode=True).splitlines()
