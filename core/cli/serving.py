"""What commands that serve until they are stopped have in common."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from penstock.core.cli.output import Output

if TYPE_CHECKING:
    from penstock.core.config import Config, Section
    from penstock.core.log_ring import LogRing
    from penstock.core.plugins.plugins import Plugins

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

NOT_READY: Final = 3
INTERRUPTED: Final = 130

_PORT: Final = click.IntRange(0, 65535)


def port_options(function: F) -> F:
    """``--rest-port`` and ``--grpc-port``, None where they are not given."""
    rest = click.option(
        "--rest-port", type=_PORT, metavar="PORT", help="Port of REST; 0 takes a free one."
    )
    grpc = click.option(
        "--grpc-port", type=_PORT, metavar="PORT", help="Port of gRPC; 0 takes a free one."
    )
    return rest(grpc(function))


def begin_serving(
    config: Path | None, override: Callable[[Config], Config]
) -> tuple[Config, Plugins, Output, LogRing]:
    """The configuration and the plug-ins of a process that is to serve, where it prints what people
    want to know of it, and the latest lines of its log."""
    from rich.markup import escape

    from penstock.core.logs import configure_logging
    from penstock.core.plugins.manager import start_up

    # What gRPC itself complains of, a port that is taken for one, is said in our own words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    settings, plugins = start_up(config, override=override)
    logs = configure_logging(settings.logging)
    output = Output.current()
    if config is not None and not output.is_json:
        output.console.print(f"[bold]config[/] {escape(str(config))}")
    return settings, plugins, output, logs


def with_ports(config: Config, rest_port: int | None, grpc_port: int | None) -> Config:
    """The configuration with the ports that the command line names."""
    changed: dict[str, object] = {}
    if rest_port is not None:
        changed["rest"] = config.rest.model_copy(update={"port": rest_port})
    if grpc_port is not None:
        changed["grpc"] = config.grpc.model_copy(update={"port": grpc_port})
    return config.model_copy(update=changed) if changed else config


def free_unless_written(given: int | None, section: Section) -> int | None:
    """The port of a process of which one machine has several: a free one where neither the command
    line nor the section of the file says which."""
    return 0 if given is None and "port" not in section.model_fields_set else given


def run_loop(work: Coroutine[None, None, T]) -> T:
    """Run the event loop: uvloop's, where there is one."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)


def print_started(output: Output, addresses: Mapping[str, str], config: Path | None) -> None:
    """Say where the process listens."""
    if output.is_json:
        read = None if config is None else str(config)
        output.json({"event": "started", "addresses": dict(addresses), "config": read})
        return
    for name, address in sorted(addresses.items(), reverse=True):
        output.console.print(f"[bold]{name:5}[/] {address}")


def print_ready(output: Output, shortfalls: Sequence[object]) -> None:
    """Say that everything is ready, or what is not."""
    if output.is_json:
        output.json({"event": "ready", "not_ready": [str(shortfall) for shortfall in shortfalls]})
        return
    if not shortfalls:
        output.console.print("[green]ready[/]")
    from rich.markup import escape

    for shortfall in shortfalls:
        # Shapes in brackets would be taken for styles.
        output.console.print(f"[red]not ready:[/] {escape(str(shortfall))}")
