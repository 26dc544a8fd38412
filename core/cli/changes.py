"""How changes of resources are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from penstock.core.cli.output import Output
from penstock.core.contracts.control import Change

_STYLES = {"created": "green", "changed": "yellow", "unchanged": "dim", "deleted": "red"}


def print_changes(output: Output, changes: Sequence[Change], *, dry_run: bool = False) -> None:
    """A line for each change, with its warnings below it."""
    if output.is_json:
        output.json([asdict(change) for change in changes])
        return
    from rich.markup import escape

    would = "would be " if dry_run else ""
    for change in changes:
        what = f"[{_STYLES[change.action]}]{would}{change.action}[/]"
        output.console.print(
            f"{change.kind.lower()} [bold]{change.name}[/] {what}, version {change.version}"
            + (f": {change.because}" if change.because else "")
        )
        for warning in change.warnings:
            output.console.print(f"  [yellow]warning:[/] {escape(warning)}")
