"""``penstock up``."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.output import Output, output_option

if TYPE_CHECKING:
    from penstock.core.config import Config
    from penstock.core.control import Shortfall
    from penstock.core.signals import StopSignals

T = TypeVar("T")

NOT_READY = 3
INTERRUPTED = 130
PORT = click.IntRange(0, 65535)


@click.command("up")
@click.argument("manifests", nargs=-1, type=click.Path(path_type=Path))
@config_option
@click.option("--rest-port", type=PORT, metavar="PORT", help="Port of REST; 0 takes a free one.")
@click.option("--grpc-port", type=PORT, metavar="PORT", help="Port of gRPC; 0 takes a free one.")
@click.option(
    "--ready-timeout",
    type=click.FloatRange(0, min_open=True),
    default=300.0,
    show_default=True,
    help="Seconds to get ready.",
)
@click.option("--stay", is_flag=True, help="Serve what is ready, also when not everything is.")
@output_option
def up_command(
    manifests: tuple[Path, ...],
    config: Path | None,
    rest_port: int | None,
    grpc_port: int | None,
    ready_timeout: float,
    stay: bool,
) -> int:
    """Serve MANIFESTS (files or folders) in this process, over REST and gRPC, until stopped.

    The first SIGINT or SIGTERM drains what is under way; a second one forces, and the exit code is
    then 130. Exits with 3 when something that was asked for does not become ready.
    """
    from rich.markup import escape

    from penstock.core.logs import configure_logging
    from penstock.core.plugins.manager import start_up
    from penstock.core.runtime import Runtime, serve

    # What gRPC itself complains of, a port that is taken for one, is said in our own words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    settings, plugins = start_up(
        config, override=lambda read: _with_ports(read, rest_port, grpc_port)
    )
    logs = configure_logging(settings.logging)
    output = Output.current()
    if config is not None and not output.is_json:
        output.console.print(f"[bold]config[/] {escape(str(config))}")
    fell_short: list[Shortfall] = []

    def on_started(addresses: Mapping[str, str]) -> None:
        _print_started(output, addresses, config)

    def on_ready(shortfalls: Sequence[Shortfall]) -> bool:
        _print_ready(output, shortfalls)
        if stay or not shortfalls:
            return True
        fell_short.extend(shortfalls)
        return False

    async def main() -> StopSignals:
        runtime = Runtime(settings, plugins, logs=logs)
        return await serve(
            runtime,
            manifests,
            ready_timeout_s=ready_timeout,
            on_started=on_started,
            on_ready=on_ready,
        )

    if _run(main()).forced.is_set():
        return INTERRUPTED
    return NOT_READY if fell_short else 0


def _with_ports(config: Config, rest_port: int | None, grpc_port: int | None) -> Config:
    changed: dict[str, object] = {}
    if rest_port is not None:
        changed["rest"] = config.rest.model_copy(update={"port": rest_port})
    if grpc_port is not None:
        changed["grpc"] = config.grpc.model_copy(update={"port": grpc_port})
    return config.model_copy(update=changed) if changed else config


def _run(work: Coroutine[None, None, T]) -> T:
    """Run the event loop: uvloop's, where there is one."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    return uvloop.run(work)


def _print_started(output: Output, addresses: Mapping[str, str], config: Path | None) -> None:
    if output.is_json:
        read = None if config is None else str(config)
        output.json({"event": "started", "addresses": dict(addresses), "config": read})
        return
    for name, address in sorted(addresses.items(), reverse=True):
        output.console.print(f"[bold]{name:5}[/] {address}")


def _print_ready(output: Output, shortfalls: Sequence[Shortfall]) -> None:
    if output.is_json:
        output.json({"event": "ready", "not_ready": [str(shortfall) for shortfall in shortfalls]})
        return
    if not shortfalls:
        output.console.print("[green]ready[/]")
    from rich.markup import escape

    for shortfall in shortfalls:
        # Shapes in brackets would be taken for styles.
        output.console.print(f"[red]not ready:[/] {escape(str(shortfall))}")
