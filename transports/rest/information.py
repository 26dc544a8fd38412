"""V2's operations that tell of the server and of what it serves."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.forwarder import VERSION_HEADER
from penstock.core.contracts.gateway import Gateway, Target, TargetKind
from penstock.core.errors import InvalidRequestError, NotReadyError
from penstock.core.request_headers import TARGET_HEADERS
from penstock.core.signature import TensorSpec
from penstock.transports.rest.body import read_body
from penstock.transports.rest.caller import (
    CallerHeaders,
    HeaderMap,
    media_type_error,
    media_type_of,
)
from penstock.transports.rest.intake import Intake
from penstock.transports.rest.json_response import JsonAnswer
from penstock.transports.rest.operation import Content, Operation, Parameter, served_by
from penstock.transports.rest.schemas import array_of, ref

TARGET_PARAMETERS = (
    *(
        Parameter(
            name,
            "header",
            "What is meant, before the path: a name, if need be with .model, .pipeline or "
            ".experiment.",
            {"type": "string"},
        )
        for name in TARGET_HEADERS
    ),
    Parameter(
        VERSION_HEADER,
        "header",
        "The version of the model, where the path names none.",
        {"type": "string"},
    ),
)


class Information:
    """Health, readiness, metadata and the repository's index."""

    def __init__(
        self, gateway: Gateway, callers: CallerHeaders, intake: Intake, max_request_bytes: int
    ) -> None:
        self._gateway = gateway
        self._callers = callers
        self._intake = intake
        self._max_request_bytes = max_request_bytes

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        return [
            Operation(
                "GET",
                "/v2",
                "serverMetadata",
                "What this server is",
                "V2",
                served_by(self.server),
                Content.json("Name, version and extensions", ref("ServerMetadata")),
            ),
            Operation(
                "GET",
                "/v2/health/live",
                "serverLive",
                "Whether the process is up",
                "V2",
                served_by(self.live),
                Content.json("It is", ref("Live")),
                ("not-ready",),
            ),
            Operation(
                "GET",
                "/v2/health/ready",
                "serverReady",
                "Whether everything is ready to serve",
                "V2",
                served_by(self.ready),
                Content.json("It is", ref("Ready")),
                ("not-ready",),
            ),
            *self._of_target("/v2/models/{model}", "model", "a model, or a pipeline by its name"),
            *self._of_target(
                "/v2/models/{model}/versions/{version}", "modelVersion", "a version of a model"
            ),
            *self._of_target("/v2/pipelines/{pipeline}", "pipeline", "a pipeline"),
            Operation(
                "POST",
                "/v2/repository/index",
                "repositoryIndex",
                "Every model and pipeline with its state",
                "V2",
                served_by(self.index),
                Content.json("The models and pipelines", array_of("IndexEntry")),
                ("invalid-request",),
                body=Content(
                    "What to list; may be left out",
                    {"application/json": ref("IndexRequest")},
                    required=False,
                ),
                media_checked=True,
            ),
        ]

    def _of_target(self, path: str, name: str, what: str) -> list[Operation]:
        errors = ("invalid-request", "not-found", "not-ready")
        return [
            Operation(
                "GET",
                path,
                f"{name}Metadata",
                f"Versions and tensors of {what}",
                "V2",
                served_by(self.target_metadata),
                Content.json("The metadata", ref("TargetMetadata")),
                errors,
                TARGET_PARAMETERS,
            ),
            Operation(
                "GET",
                f"{path}/ready",
                f"{name}Ready",
                f"Whether {what} is ready",
                "V2",
                served_by(self.target_ready),
                Content.json("It is", ref("TargetReady")),
                errors,
                TARGET_PARAMETERS,
            ),
        ]

    async def server(self, request: Request) -> Response:
        """What this server is."""
        server = self._gateway.server_metadata()
        return JsonAnswer(
            {"name": server.name, "version": server.version, "extensions": server.extensions}
        )

    async def live(self, request: Request) -> Response:
        """Whether the process is up."""
        if not self._gateway.live():
            raise NotReadyError("the server has stopped")
        return JsonAnswer({"live": True})

    async def ready(self, request: Request) -> Response:
        """Whether everything that was asked for at start-up is ready, and intake is open."""
        if not self._intake.open:
            raise NotReadyError("the server is stopping")
        if not self._gateway.server_ready():
            raise NotReadyError("not everything is ready yet; /v2/repository/index says what")
        return JsonAnswer({"ready": True})

    async def target_metadata(self, request: Request) -> Response:
        """Name, versions, and the tensors that are known."""
        known = self._gateway.metadata(self._target(request))
        signature = known.signature
        return JsonAnswer(
            {
                "name": known.name,
                "versions": known.versions,
                "platform": known.platform,
                "inputs": _tensors(signature.inputs if signature else None),
                "outputs": _tensors(signature.outputs if signature else None),
            }
        )

    async def target_ready(self, request: Request) -> Response:
        """Whether a model or pipeline can answer."""
        target = self._target(request)
        failure = self._gateway.ready(target)
        if failure is not None:
            raise failure
        return JsonAnswer({"name": target.name, "ready": True})

    async def index(self, request: Request) -> Response:
        """Every model and pipeline, or those that are ready."""
        found: HeaderMap = dict(reversed(request.headers.raw))
        if media_type_of(found) not in (b"", b"application/json"):
            raise media_type_error(found, "application/json, or nothing at all")
        body = await read_body(request.receive, found, self._max_request_bytes)
        entries = self._gateway.repository_index(ready_only=_ready_only(body))
        return JsonAnswer(
            [
                {
                    "name": entry.name,
                    "version": entry.version,
                    "state": entry.state,
                    "reason": entry.reason,
                }
                for entry in entries
            ]
        )

    def _target(self, request: Request) -> Target:
        caller = self._callers.read(dict(reversed(request.headers.raw)))
        if caller.target is not None:
            return self._gateway.resolve(caller.target, version=caller.version or None)
        path = request.path_params
        kind: TargetKind | None = "pipeline" if "pipeline" in path else None
        name = path["pipeline"] if kind else path["model"]
        version = path.get("version", caller.version or None)
        return self._gateway.resolve(name, kind=kind, version=version)


def _ready_only(body: bytes) -> bool:
    if not body.strip():
        return False
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError(f"the body is not valid JSON: {error}") from None
    ready = document.get("ready", False) if isinstance(document, dict) else None
    if not isinstance(ready, bool):
        raise InvalidRequestError('the body must be a JSON object like {"ready": true}, or empty')
    return ready


def _tensors(specs: tuple[TensorSpec, ...] | None) -> list[dict[str, Any]]:
    return [
        {"name": spec.name, "datatype": spec.datatype or "", "shape": spec.metadata_shape()}
        for spec in specs or ()
    ]
