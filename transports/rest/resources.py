"""The control plane's twin over REST: ``/v1/resources``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.control import Change, ControlPlane, ManifestText
from penstock.core.errors import InvalidRequestError
from penstock.transports.rest.body import read_body
from penstock.transports.rest.caller import HeaderMap, media_type_error, media_type_of
from penstock.transports.rest.json_response import JsonAnswer
from penstock.transports.rest.operation import Content, Operation, Parameter, served_by
from penstock.transports.rest.origins import Origins
from penstock.transports.rest.queries import flag
from penstock.transports.rest.schemas import ref

MANIFEST_TYPES: Final = (
    "application/yaml",
    "application/x-yaml",
    "text/yaml",
    "text/x-yaml",
    "application/json",
)
"""None of them can be sent by a foreign web page without the browser asking first."""

_BOOLEAN: Final = {"type": "boolean", "default": False}
_ALL: Final = "/v1/resources"
_KIND: Final = f"{_ALL}/{{kind}}"
_ONE: Final = f"{_KIND}/{{name}}"
_SCALING: Final = "/v1/scaling"
_PLACEMENT: Final = "/v1/models/{name}/placement"


class Resources:
    """Manifests come and go while the system serves."""

    def __init__(self, control: ControlPlane, max_request_bytes: int, origins: Origins) -> None:
        self._control = control
        self._origins = origins
        self._max_request_bytes = max_request_bytes

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        return [
            Operation(
                "POST",
                _ALL,
                "applyManifests",
                "Take manifests in as one set, all or none; answers before they are ready",
                "Control plane",
                served_by(self.apply),
                Content.json("What changed", ref("Changes")),
                ("invalid-request", "conflict", "forbidden", "unsupported"),
                (Parameter("dry_run", "query", "Only say what would change.", _BOOLEAN),),
                Content(
                    "Manifests; YAML may have several documents in one text",
                    {media: {} for media in MANIFEST_TYPES},
                ),
                media_checked=True,
            ),
            Operation(
                "GET",
                _ALL,
                "listResources",
                "All resources, in the order of kind and name",
                "Control plane",
                served_by(self.list),
                Content.json("The resources", ref("Resources")),
            ),
            Operation(
                "GET",
                _KIND,
                "listResourcesOfKind",
                "The resources of one kind (Model, Pipeline, ...), in the order of names",
                "Control plane",
                served_by(self.list),
                Content.json("The resources", ref("Resources")),
                ("not-found",),
            ),
            Operation(
                "GET",
                _ONE,
                "getResource",
                "One resource with its status",
                "Control plane",
                served_by(self.get),
                Content.json("The resource", ref("Resource")),
                ("not-found",),
            ),
            Operation(
                "GET",
                f"{_ONE}/description",
                "describeResource",
                "Everything that is known of one resource, what happened to it lately included",
                "Control plane",
                served_by(self.describe),
                Content.json("The description", ref("Description")),
                ("not-found",),
            ),
            Operation(
                "GET",
                _PLACEMENT,
                "explainModel",
                "Where the copies of a model are, and what each server has against one more",
                "Control plane",
                served_by(self.explain),
                Content.json("The placement", ref("ModelPlacement")),
                ("not-found",),
            ),
            Operation(
                "GET",
                _SCALING,
                "showScaling",
                "What was decided last on the models that are scaled by their load, and why",
                "Control plane",
                served_by(self.scaling),
                Content.json("The decisions", ref("Scaling")),
                ("unsupported",),
            ),
            Operation(
                "DELETE",
                _ONE,
                "deleteResource",
                "Delete one resource; what others use only by force",
                "Control plane",
                served_by(self.delete),
                Content.json("What changed", ref("Change")),
                ("invalid-request", "not-found", "conflict", "forbidden"),
                (Parameter("force", "query", "Also when others use it.", _BOOLEAN),),
            ),
        ]

    async def apply(self, request: Request) -> Response:
        """Apply the manifests in the body."""
        self._origins.check(request)
        dry_run = flag(request.query_params, "dry_run")
        found: HeaderMap = dict(reversed(request.headers.raw))
        if media_type_of(found).decode("latin-1") not in MANIFEST_TYPES:
            raise media_type_error(found, "manifests as application/yaml or application/json")
        body = await read_body(request.receive, found, self._max_request_bytes)
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequestError(f"the manifests are no UTF-8 text: {error}") from None
        changes = await self._control.apply([ManifestText(text)], dry_run=dry_run)
        return JsonAnswer({"changes": [_document(change) for change in changes]})

    async def list(self, request: Request) -> Response:
        """All resources, or those of the kind in the path."""
        return JsonAnswer({"resources": self._control.list(request.path_params.get("kind"))})

    async def get(self, request: Request) -> Response:
        """One resource."""
        path = request.path_params
        return JsonAnswer(self._control.get(path["kind"], path["name"]))

    async def describe(self, request: Request) -> Response:
        """Everything about one resource."""
        path = request.path_params
        return JsonAnswer(self._control.describe(path["kind"], path["name"]))

    async def explain(self, request: Request) -> Response:
        """Where the copies of a model are, and why."""
        return JsonAnswer(self._control.explain(request.path_params["name"]))

    async def scaling(self, request: Request) -> Response:
        """What was decided on the number of copies of models."""
        return JsonAnswer(self._control.scaling())

    async def delete(self, request: Request) -> Response:
        """Delete one resource."""
        self._origins.check(request)
        path = request.path_params
        force = flag(request.query_params, "force")
        change = await self._control.delete(path["kind"], path["name"], force=force)
        return JsonAnswer(_document(change))


def _document(change: Change) -> dict[str, object]:
    return asdict(change)
