"""The option ``--config``, the same for every command that starts from a configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

CONFIG_FILE: Final = Path("penstock.yaml")
"""What is read without the option, where it is there."""


def config_option(function: F) -> F:
    """``-c FILE``, handed on as ``config``: the file to read, None when there is none."""
    option = click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        callback=_or_here,
        help=f"The configuration file; without it, {CONFIG_FILE} where there is one.",
    )
    return option(function)


def _or_here(context: click.Context, parameter: click.Parameter, given: Path | None) -> Path | None:
    if given is not None:
        return given
    return CONFIG_FILE if CONFIG_FILE.exists() else None
