"""``penstock bench``."""

from __future__ import annotations

import asyncio
import selectors
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from penstock.core.cli.bench_view import figures_view
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.request_options import headers_of, request_options
from penstock.core.cli.tensor_words import inputs_of
from penstock.core.client.metadata import inputs_over_grpc, inputs_over_rest
from penstock.core.client.remote_server import RemoteServer
from penstock.core.inference import InferenceRequest

if TYPE_CHECKING:
    from penstock.core.bench.load import Load, LoadPlan
    from penstock.core.bench.machine import MachineWatch

MOST_IN_FLIGHT: Final = 500
"""As many connections as the loop's selector can look after, and other files beside them."""

FAILED: Final = 1
INTERRUPTED: Final = 130
FRAME_S: Final = 0.25

T = TypeVar("T")


@click.command("bench")
@request_options
@click.option(
    "--in-flight",
    type=click.IntRange(1, MOST_IN_FLIGHT),
    default=8,
    show_default=True,
    help="Requests under way at a time, at most.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help="Requests per second; without it each one follows an answer.",
)
@click.option(
    "--duration",
    type=click.FloatRange(0, 86_400, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds to measure for.",
)
@click.option(
    "--requests", type=click.IntRange(1), help="Measure so many requests, however long they take."
)
@click.option(
    "--warm-up",
    type=click.FloatRange(0, 3600),
    default=1.0,
    show_default=True,
    help="Seconds of load before that.",
)
@click.option(
    "--rows",
    type=click.IntRange(1, 1_000_000),
    default=1,
    show_default=True,
    help="Length of the first axis of random inputs, where it is open.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of random inputs.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds that one request may take.",
)
@output_option
def bench_command(
    target: str,
    data: str | None,
    tensors: tuple[str, ...],
    over_grpc: bool,
    server: RemoteServer,
    headers: tuple[str, ...],
    in_flight: int,
    rate: float | None,
    duration: float,
    requests: int | None,
    warm_up: float,
    rows: int,
    seed: int,
    timeout: float,
) -> int:
    """Put TARGET under load and measure rate, latencies and errors.

    DATA is as for penstock infer; without it and without --tensor random inputs are made that fit
    the target's signature. With --rate latencies count from when a request was due. Exits with 1
    when every request failed, with 130 when it was interrupted.
    """
    from penstock.core.bench.caller import GrpcCaller, RestCaller
    from penstock.core.bench.load import Load, LoadPlan

    if data is None and not tensors:
        request = _made_request(server, target, over_grpc, rows, seed, timeout)
    else:
        request = inputs_of(data, tensors, sys.stdin.buffer)
    sent = headers_of(headers)
    plan = LoadPlan(in_flight, rate, duration, requests, warm_up)
    output = Output.current()

    async def main() -> int:
        kind = GrpcCaller if over_grpc else RestCaller
        caller = kind(server, target, request, headers=sent, timeout_s=timeout)
        load = Load(plan, caller, asyncio.get_running_loop().time)
        try:
            about = {
                "target": target,
                "server": server.place,
                "protocol": "grpc" if over_grpc else "rest",
            }
            return await _measure(output, about, plan, load)
        finally:
            await caller.close()

    return _run(main())


def _made_request(
    server: RemoteServer, target: str, over_grpc: bool, rows: int, seed: int, timeout_s: float
) -> InferenceRequest:
    from penstock.core.bench.made_tensors import made_tensors

    inputs = inputs_over_grpc if over_grpc else inputs_over_rest
    described = inputs(server, target, timeout_s=timeout_s)
    return InferenceRequest(None, made_tensors(target, described, rows, seed))


async def _measure(output: Output, about: dict[str, Any], plan: LoadPlan, load: Load) -> int:
    """Run the load, show it meanwhile, and print the figures; the exit code."""
    from penstock.core.bench.machine import MachineWatch

    watch = MachineWatch()
    work = asyncio.create_task(load.run())
    interrupted = asyncio.Event()

    def interrupt() -> None:
        interrupted.set()
        work.cancel()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        await _shown(output, about, plan, load, work)
    except asyncio.CancelledError:
        if not interrupted.is_set():
            raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    _print(output, about, plan, load, watch, interrupted=interrupted.is_set())
    if interrupted.is_set():
        return INTERRUPTED
    return FAILED if load.figures.failed and not load.figures.latencies.count else 0


async def _shown(
    output: Output,
    about: dict[str, Any],
    plan: LoadPlan,
    load: Load,
    work: asyncio.Task[None],
) -> None:
    """Wait for the load; on a terminal the figures are shown as they come."""
    if output.is_json or not output.console.is_terminal:
        await work
        return
    from rich.live import Live

    with Live(console=output.console, auto_refresh=False, transient=True) as screen:
        while not work.done():
            await asyncio.wait([work], timeout=FRAME_S)
            view = figures_view(about, plan, load.figures, elapsed_s=load.elapsed_s)
            screen.update(view, refresh=True)
    await work


def _print(
    output: Output,
    about: dict[str, Any],
    plan: LoadPlan,
    load: Load,
    watch: MachineWatch,
    *,
    interrupted: bool,
) -> None:
    from penstock.core.bench.limits import limits_of

    busy = watch.busy()
    limits = limits_of(plan, load.figures, busy)
    if output.is_json:
        output.json(
            {
                **about,
                "mode": "closed" if plan.rate is None else "open",
                "in_flight": plan.in_flight,
                "rate": plan.rate,
                **load.figures.document(),
                "client": {
                    "cpu_share": round(busy.client, 3),
                    "late_ms_p99": round(load.figures.lateness.quantile(0.99), 3),
                },
                "machine_busy": None if busy.machine is None else round(busy.machine, 3),
                "limits": limits,
                "interrupted": interrupted,
            }
        )
        return
    output.tree(figures_view(about, plan, load.figures, busy=busy, limits=limits))


def _run(work: Coroutine[Any, Any, T]) -> T:
    """On a loop whose selector keeps time to the microsecond: epoll's would send up to a
    millisecond late, and latencies that count from when a request was due would say so."""

    def loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(selectors.SelectSelector())

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(work)
