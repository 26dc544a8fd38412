"""``penstock kafka``: a broker for development."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from penstock.core.cli.output import Output, output_option
from penstock.core.errors import NotReadyError
from penstock.core.home import data_folder
from penstock.core.signals import StopSignals

if TYPE_CHECKING:
    from penstock.transports.kafka.broker.broker import Broker
    from penstock.transports.kafka.broker.cluster import LocalKafka

PORT: Final = 9092
"""Kafka's own."""

INTERRUPTED: Final = 130


@click.group("kafka")
@output_option
def kafka_command() -> None:
    """A Kafka on this machine."""


@kafka_command.command("up")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port of the first broker, the others take those after it; 0 takes free ones.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where records are kept; else in PENSTOCK_HOME.",
)
@click.option(
    "--brokers", type=click.Choice(["1", "3"]), default="1", show_default=True, help="How many."
)
@click.option(
    "--keep/--fresh",
    default=True,
    show_default=True,
    help="Go on with the topics and records of the last time, or delete them first.",
)
@output_option
def up_command(port: int, folder: Path | None, brokers: str, keep: bool) -> int:
    """Start Apache Kafka for development, and run it until stopped.

    It is fetched by Maven the first time, and needs Java 17 or newer. The first SIGINT or SIGTERM
    stops it in peace; a second one ends it at once, and the exit code is then 130.
    """
    from penstock.transports.kafka.broker.cluster import ClusterOptions, LocalKafka

    options = ClusterOptions(brokers=int(brokers), port=port, fresh=not keep)
    output = Output.current()
    place = data_folder() / "kafka" / f"brokers-{brokers}" if folder is None else folder.absolute()
    kafka = LocalKafka(place, options, lambda line: click.echo(line, err=True))
    kafka.start()
    try:
        forced = asyncio.run(_serve(kafka, partial(_print_started, output, kafka, place)))
    finally:
        kafka.kill()
    return INTERRUPTED if forced else 0


def _print_started(output: Output, kafka: LocalKafka, place: Path) -> None:
    servers = kafka.bootstrap_servers
    if output.is_json:
        pids = [broker.pid for broker in kafka.brokers]
        started = {"addresses": {"kafka": servers}, "folder": str(place), "pids": pids}
        output.json({"event": "started", **started})
        return
    click.echo(f"Kafka is at {servers}, its records are in {place}\n")
    click.echo("In penstock.yaml:\n")
    click.echo(f"transport:\n  kind: kafka\n  bootstrapServers: {servers}")


async def _serve(kafka: LocalKafka, on_started: Callable[[], None]) -> bool:
    """Run until a signal asks to stop, and stop: whether a second one forced it. ``on_started`` is
    called when signals are listened for.

    Raises NotReadyError when all brokers have ended by themselves.
    """
    with StopSignals() as signals:
        on_started()
        everything = asyncio.create_task(_all_ended(kafka.brokers))
        if await _first_of(signals.asked, everything):
            raise NotReadyError(f"no broker runs any more: {', '.join(everything.result())}")
        kafka.terminate()
        if await _first_of(signals.forced, everything):
            return False
        kafka.kill()
        await everything
        return True


async def _all_ended(brokers: Sequence[Broker]) -> list[str]:
    """Wait for all to end, one may do so before the others: which, and how."""
    return list(await asyncio.gather(*map(_ended, brokers)))


async def _ended(broker: Broker) -> str:
    how = await asyncio.wrap_future(broker.ended)
    return f"broker {broker.place.node_id} {how} (its log: {broker.place.log})"


async def _first_of(signal: asyncio.Event, work: asyncio.Task[list[str]]) -> bool:
    """Wait for the signal or the end of the work: whether the work has ended first."""
    waiting = asyncio.create_task(signal.wait())
    await asyncio.wait([waiting, work], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return work.done() and not signal.is_set()
