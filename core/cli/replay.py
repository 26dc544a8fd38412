"""``penstock replay``."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.core.cli.awaited import awaited
from penstock.core.cli.config_option import config_option
from penstock.core.cli.inspect import Ago
from penstock.core.cli.output import Output, output_option
from penstock.core.cli.served_names import pipeline_names
from penstock.core.cli.server_option import server_option
from penstock.core.client.control import ControlClient
from penstock.core.client.remote_server import RemoteServer
from penstock.core.contracts.inquiries import Search
from penstock.core.errors import InvalidRequestError, NotFoundError

if TYPE_CHECKING:
    from penstock.core.cases import Case
    from penstock.core.cases.replay import Replayed

DIFFERS = 1


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which recorded requests of which pipeline are sent again."""

    pipeline: str
    requests: Sequence[str]
    search: Search


@dataclass(frozen=True, slots=True)
class Manner:
    """Where they are sent, or from which step on they are played, and how answers are compared."""

    to: str
    from_step: str | None
    folder: Path | None
    config: Path | None
    tolerance: float
    timeout_s: float


@click.command("replay")
@click.argument("pipeline", shell_complete=pipeline_names)
@click.option(
    "--request",
    "requests",
    multiple=True,
    metavar="ID",
    help="This one, as penstock inspect names it. May be repeated.",
)
@click.option("--since", type=Ago(), default=0.0, help="As 90s, 10m, 2h, 1d: not older than that.")
@click.option("--until", type=Ago(), default=None, help="Likewise: not younger than that.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many."
)
@click.option("--to", metavar="PIPELINE", shell_complete=pipeline_names, help="Another pipeline.")
@click.option(
    "--from",
    "from_step",
    metavar="STEP",
    help="Play what was recorded before this step, and call its model and those that follow from "
    "it, in this process.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="With --from: where the modules and files of the models are, if not where they were on "
    "the server.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0.0),
    default=1e-6,
    show_default=True,
    help="Numbers that differ by no more than this part of them are the same.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds for each.",
)
@server_option
@config_option
@output_option
def replay_command(
    pipeline: str,
    requests: tuple[str, ...],
    since: float,
    until: float | None,
    limit: int,
    to: str | None,
    from_step: str | None,
    folder: Path | None,
    tolerance: float,
    timeout: float,
    server: RemoteServer,
    config: Path | None,
) -> int:
    """Send recorded requests of PIPELINE again, and show where answers differ and by how much.

    The latest are sent, the oldest of them first, into the version that serves now, or into another
    pipeline. Each gets a new identity and names the old one as its origin; those that are
    such repeats themselves are left out. With --from nothing is sent: the ports before that step
    come back as they were recorded (record: all). Exits with 1 if an answer differs or fails.
    """
    if requests and (since or until):
        raise click.UsageError("--request names requests; --since and --until choose among many")
    if folder is not None and from_step is None:
        raise click.UsageError("--folder is for models that --from calls in this process")
    until_ms = math.inf if until is None else until
    chosen = Chosen(pipeline, requests, Search(pipeline, None, since, until_ms, most=limit))
    manner = Manner(to or pipeline, from_step, folder, config, tolerance, timeout)
    replayed = awaited(_replay(server, chosen, manner))
    output = Output.current()
    from penstock.core.cli.replayed_view import replayed_document, replayed_rows, replayed_sentences

    if output.is_json:
        output.json(replayed_document(pipeline, manner.to, replayed))
    else:
        output.table(
            ("request", "again", "answer", "differences"),
            replayed_rows(replayed),
            unfolded=("request", "again"),
        )
        for sentence in replayed_sentences(replayed):
            click.echo(sentence)
    bad = {"different", "failed", *(["left-out"] if requests else [])}
    return DIFFERS if any(each.verdict in bad for each in replayed) else 0


async def _replay(server: RemoteServer, chosen: Chosen, manner: Manner) -> list[Replayed]:
    from penstock.core.cases.replay import Replayed, left_out

    replayed = []
    async with ControlClient(server) as control:
        player = _Player(control, manner) if manner.from_step is not None else None
        sender = _Sender(server, manner)
        async for case in _cases(control, chosen):
            why = left_out(case)
            if why is not None:
                replayed.append(Replayed(case.story.identity, None, "left-out", (), why))
            else:
                replayed.append(await (player or sender).again(case))
    return replayed


async def _cases(control: ControlClient, chosen: Chosen) -> AsyncIterator[Case]:
    """The requests with all that was recorded of them, the oldest first. Raises NotFoundError where
    there is none, or one is of another pipeline."""
    from penstock.core.cases import read_case

    identities = chosen.requests or await _identities(control, chosen)
    for identity in identities:
        case = read_case(await control.export(identity), identity)
        if case.story.pipeline != chosen.pipeline:
            raise NotFoundError(
                f"request '{identity}' was one to pipeline '{case.story.pipeline}'; "
                f"penstock replay {case.story.pipeline} --request {identity} sends it again"
            )
        yield case


async def _identities(control: ControlClient, chosen: Chosen) -> list[str]:
    found = await control.list_requests(chosen.search)
    if not found:
        raise NotFoundError(
            f"no request to pipeline '{chosen.pipeline}' is remembered of that time; see "
            "penstock inspect for those that are"
        )
    return [each["id"] for each in reversed(found)]


class _Sender:
    """Sends requests to a pipeline that is served."""

    def __init__(self, server: RemoteServer, manner: Manner) -> None:
        self._server = server
        self._manner = manner

    async def again(self, case: Case) -> Replayed:
        """Have a request answered again."""
        from penstock.core.cases.replay import compared, request_of
        from penstock.core.client.inference_client import InferenceClient

        manner = self._manner
        request, headers = request_of(case.story, manner.to)
        async with InferenceClient(self._server) as client:
            answered = await client.infer(request, headers, manner.timeout_s)
        return compared(case.story, answered.identity, answered.result, manner.tolerance)


class _Player:
    """Plays requests in this process, from a step on, with the manifests that are in force."""

    def __init__(self, control: ControlClient, manner: Manner) -> None:
        from penstock.core.plugins.manager import start_up

        self._control = control
        self._manner = manner
        _, self._plugins = start_up(manner.config)

    async def again(self, case: Case) -> Replayed:
        """Have a request played."""
        from penstock.core.cases.player import PlayOptions, play
        from penstock.core.cases.replay import Replayed

        manner = self._manner
        options = PlayOptions("real", manner.from_step, manner.folder, manner.tolerance)
        identity = case.story.identity
        case = await self._with_manifests(case)
        if case.kept != "all":
            raise InvalidRequestError(
                f"request '{identity}' was recorded with record: {case.kept}, so nothing is known "
                f"of its steps before '{manner.from_step}'; leave --from out, or write record: all "
                "into the manifest for requests to come"
            )
        played = await play(case, self._plugins, options)
        differences = played.differences
        return Replayed(identity, None, "different" if differences else "same", differences)

    async def _with_manifests(self, case: Case) -> Case:
        """The case with the pipeline that is served under the wanted name, and its models."""
        from penstock.core.cases.replay import with_pipeline

        document = await self._control.get("Pipeline", self._manner.to)
        models = {each.name for each in case.manifests if each.kind == "Model"}
        more = []
        for step in document["spec"]["steps"]:
            name = step.get("model") or step["name"]
            if "pipeline" not in step and name not in models:
                models.add(name)
                more.append(await self._control.get("Model", name))
        return with_pipeline(case, document, more)
