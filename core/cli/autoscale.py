"""``penstock autoscale``: what is decided on the copies of models, and policies tried out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from penstock.core.cli.config_option import config_option
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.scaling_view import print_courses, print_decisions
from penstock.core.cli.server_option import ask, server_option
from penstock.core.client.remote_server import RemoteServer
from penstock.core.errors import InvalidRequestError

if TYPE_CHECKING:
    from penstock.core.scaling.rules import ScalingRules


@click.group("autoscale", invoke_without_command=True)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Decide anew here, by the figures of the server and the configuration of this machine; "
    "nothing is changed.",
)
@click.option("--policy", metavar="NAME", help="With --dry-run: another policy than is configured.")
@config_option
@server_option
@output_option
@click.pass_context
def autoscale_command(
    context: click.Context,
    dry_run: bool,
    policy: str | None,
    config: Path | None,
    server: RemoteServer,
) -> None:
    """Say how many copies the models have that are scaled by their load, and why.

    Without --dry-run these are the last decisions of the server.
    """
    if context.invoked_subcommand is not None:
        return
    if policy is not None and not dry_run:
        raise InvalidRequestError("the server has one policy; with --policy write --dry-run")
    output = Output.current()
    scaling = ask(server, lambda client: client.scaling())
    if dry_run:
        scaling = _decided_here(scaling, _rules(config, policy))
    if output.is_json:
        output.json(scaling)
    else:
        print_decisions(output, scaling)


@autoscale_command.command("simulate")
@click.argument("trace", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--policy", metavar="NAME", help="The policy, in place of the configured one.")
@click.option("--target", type=click.FloatRange(0, min_open=True), help="Its target.")
@click.option("--min-replicas", type=click.IntRange(0), default=1, show_default=True)
@click.option("--max-replicas", type=click.IntRange(1), default=10, show_default=True)
@click.option("--replicas", type=click.IntRange(0), default=1, show_default=True, help="At first.")
@click.option(
    "--load-ms",
    type=click.FloatRange(0),
    default=5_000.0,
    show_default=True,
    help="How long a copy takes to come up.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many calls a copy takes at a time.",
)
@click.option("--room", type=click.IntRange(0), help="How many copies of all models fit.")
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw load, copies and latency over time into this file.",
)
@config_option
@output_option
def simulate_command(
    trace: Path,
    policy: str | None,
    target: float | None,
    min_replicas: int,
    max_replicas: int,
    replicas: int,
    load_ms: float,
    concurrency: int,
    room: int | None,
    svg: Path | None,
    config: Path | None,
) -> None:
    """Replay the load of the file TRACE against a policy, and show what would come of it.

    TRACE is CSV with a heading, or JSON lines: time (seconds), model, rate (calls per second) and
    service (milliseconds of a call), each for as long as until the next line of that model. model
    and service may be left out. Nothing runs; the same trace gives the same outcome.
    """
    from penstock.core.scaling.replay import Replayed, replay
    from penstock.core.scaling.trace import read_trace

    if min_replicas > max_replicas:
        raise InvalidRequestError(
            f"--min-replicas {min_replicas} is more than --max-replicas {max_replicas}"
        )
    rules = _rules(config, policy)
    start = min(max(replicas, min_replicas), max_replicas)
    settings = Replayed(min_replicas, max_replicas, start, load_ms, concurrency, target, room)
    courses = replay(read_trace(_lines(trace), str(trace)), rules, settings)
    output = Output.current()
    if output.is_json:
        output.json({"policy": rules.policy, "models": [each.document() for each in courses]})
    else:
        print_courses(output, courses)
    if svg is not None:
        _draw(svg, f"{trace.name}, {rules.policy}", courses)


def _lines(trace: Path) -> list[str]:
    try:
        return trace.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"the trace {trace} cannot be read: {error}") from error


def _draw(file: Path, title: str, courses: Any) -> None:
    from penstock.core.scaling.plot import plotted

    try:
        file.write_text(plotted(title, courses), encoding="utf-8")
    except OSError as error:
        raise InvalidRequestError(f"the picture cannot be written: {error}") from error


def _rules(config: Path | None, policy: str | None) -> ScalingRules:
    """How the configuration has models scaled, by that policy where one is named."""
    from penstock.core.plugins.manager import start_up
    from penstock.core.scaling.rules import rules_of

    read, plugins = start_up(config)
    section = read.scheduler.autoscaling
    if policy is not None:
        section = section.model_copy(update={"policy": policy})
    return rules_of(section, plugins.make(plugins.scalers, section.policy))


def _decided_here(scaling: dict[str, Any], rules: ScalingRules) -> dict[str, Any]:
    """What these rules say of the loads that a server has seen."""
    from penstock.core.contracts.scaler import ModelLoad
    from penstock.core.scaling import Autoscaler

    loads = [ModelLoad(**each["load"]) for each in scaling["models"]]
    verdicts = Autoscaler(rules.scaler, rules.damping).decide(loads, scaling["decided_ms"] or 0.0)
    return {
        **scaling,
        "policy": rules.policy,
        "dry_run": True,
        "models": [verdict.document() for verdict in verdicts],
    }
