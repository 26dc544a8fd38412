"""Names that a running server knows, to complete arguments with: at once, or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from penstock.core.cli.awaited import awaited
from penstock.core.cli.server_option import credentials_of
from penstock.core.cli.server_places import GRPC_SERVER, REST_SERVER

if TYPE_CHECKING:
    from penstock.core.contracts.control import ResourceDocument

PATIENCE_S: Final = 0.5
"""Who presses a key waits no longer than that."""


def kind_names(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Kinds of resources."""
    from penstock.core.resources.kinds import KINDS

    return [
        CompletionItem(kind.lower()) for kind in KINDS if kind.lower().startswith(begun.lower())
    ]


def log_kinds(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """What lines of a log are about."""
    from penstock.core.log_ring import ABOUT

    return [CompletionItem(kind) for kind in ABOUT if kind.startswith(begun.lower())]


def names_of_kind(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of the kind that the command line has said."""
    return _named(context, context.params.get("kind"), begun)


def target_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of models and pipelines, asked for where the command would send its request."""
    if context.params.get("over_grpc"):
        found = [
            each["metadata"]["name"]
            for each in _resources(context.params, None)
            if each["kind"] in ("Model", "Pipeline")
        ]
    else:
        found = _index(context.params)
    return [CompletionItem(name) for name in dict.fromkeys(found) if name.startswith(begun)]


def pipeline_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of pipelines."""
    return _named(context, "pipeline", begun)


def model_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of models."""
    return _named(context, "model", begun)


def server_names(context: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of servers."""
    return _named(context, "server", begun)


def experiment_names(
    context: click.Context, _: click.Parameter, begun: str
) -> list[CompletionItem]:
    """Names of experiments."""
    return _named(context, "experiment", begun)


def _named(context: click.Context, kind: str | None, begun: str) -> list[CompletionItem]:
    return [
        CompletionItem(resource["metadata"]["name"], help=resource["kind"].lower())
        for resource in _resources(context.params, kind, os.environ.get("PENSTOCK_SERVER"))
        if resource["metadata"]["name"].startswith(begun)
    ]


def _resources(
    params: Mapping[str, Any], kind: str | None, usual: str | None = None
) -> list[ResourceDocument]:
    """What the control plane has; nothing where it does not answer at once, whatever the reason.

    ``params`` are the options that were written so far.
    """
    import logging

    # What gRPC complains of would end up in the line that is being written.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.disable()
    from penstock.core.client.control import ControlClient

    async def asked() -> list[ResourceDocument]:
        server = credentials_of(params).server(params.get("server") or usual or GRPC_SERVER)
        async with ControlClient(server, timeout_s=PATIENCE_S) as client:
            return await client.list(kind)

    try:
        return awaited(asked())
    except Exception:
        return []


def _index(params: Mapping[str, Any]) -> list[str]:
    """The names in V2's repository index; nothing likewise."""
    import orjson

    from penstock.core.client.inference import http_connection

    try:
        server = credentials_of(params).server(params.get("server") or REST_SERVER)
        with closing(http_connection(server, PATIENCE_S)) as connection:
            connection.request("POST", "/v2/repository/index", headers=server.headers())
            entries = orjson.loads(connection.getresponse().read())
        return [str(entry["name"]) for entry in entries]
    except Exception:
        return []
