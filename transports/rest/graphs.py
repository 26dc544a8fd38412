"""The graph of a pipeline, placed for a picture: ``/v1/pipelines/{pipeline}/graph``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from penstock.core.contracts.control import ControlPlane, ResourceDocument
from penstock.core.render.diagram import Diagram
from penstock.core.render.layout import Layout, PlacedLine, Room, laid_out
from penstock.core.render.pipeline_diagram import pipeline_diagram, pipelines_read
from penstock.core.resources import Pipeline
from penstock.transports.rest.json_response import JsonAnswer
from penstock.transports.rest.operation import Content, Operation, Parameter, served_by
from penstock.transports.rest.queries import number
from penstock.transports.rest.schemas import ref

MOST_COLUMNS: Final = 200
MOST_ROWS: Final = 20


def _room_parameter(name: str, description: str, most: int) -> Parameter:
    schema = {"type": "integer", "minimum": 0, "maximum": most, "default": 0}
    return Parameter(name, "query", description, schema)


class Graphs:
    """Lays out the pipelines that the control plane knows."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    def operations(self) -> list[Operation]:
        """What is served here, with what the OpenAPI document says of it."""
        return [
            Operation(
                "GET",
                "/v1/pipelines/{pipeline}/graph",
                "getPipelineGraph",
                "The boxes and lines of a pipeline, and where they stand in a picture",
                "Control plane",
                served_by(self.graph),
                Content.json("The graph; lengths are in pixels", ref("Graph")),
                ("invalid-request", "not-found"),
                (
                    _room_parameter("columns", "Characters that a box is wide.", MOST_COLUMNS),
                    _room_parameter("rows", "Lines free at the end of a box.", MOST_ROWS),
                ),
            )
        ]

    async def graph(self, request: Request) -> Response:
        """One graph."""
        query = request.query_params
        columns = number(query.get("columns", "0"), "the query parameter columns", MOST_COLUMNS)
        rows = number(query.get("rows", "0"), "the query parameter rows", MOST_ROWS)
        resource = self._control.get("Pipeline", request.path_params["pipeline"])
        return JsonAnswer(graph_document(resource, columns, rows))


def graph_document(resource: ResourceDocument, columns: int, rows: int) -> dict[str, Any]:
    """The graph of a pipeline, whose boxes are at least so wide and so much higher."""
    manifest = {key: value for key, value in resource.items() if key != "status"}
    pipeline = Pipeline.model_validate(manifest)
    diagram = pipeline_diagram(pipeline)
    layout = laid_out(diagram, Room(columns, rows))
    return {
        "pipeline": pipeline.metadata.name,
        "version": resource["status"]["version"],
        "width": layout.width,
        "height": layout.height,
        "boxes": list(_boxes(pipeline, diagram, layout)),
        "lines": [_line(line) for line in layout.lines],
    }


def _boxes(pipeline: Pipeline, diagram: Diagram, layout: Layout) -> Iterator[dict[str, Any]]:
    places = zip(_kinds(pipeline), diagram.boxes, layout.boxes, strict=True)
    for kind, lines, place in places:
        yield {**kind, "lines": [line._asdict() for line in lines], **place._asdict()}


def _kinds(pipeline: Pipeline) -> Iterator[dict[str, str | None]]:
    """What each box of the diagram is, in its order."""
    nothing = {"step": None, "pipeline": None}
    yield {"kind": "input", **nothing}
    for step in pipeline.spec.steps:
        yield {"kind": "step", **nothing, "step": step.name}
    if pipeline.spec.output is not None:
        yield {"kind": "output", **nothing}
    for other in pipelines_read(pipeline):
        yield {"kind": "pipeline", **nothing, "pipeline": other}


def _line(line: PlacedLine) -> dict[str, Any]:
    return {**line._asdict(), "tip": line.tip and {"x": line.tip[0], "y": line.tip[1]}}
