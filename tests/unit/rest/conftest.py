"""A REST front end without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from starlette.applications import Starlette

from fakes.control import FakeControlPlane
from fakes.gateway import FakeGateway, FakeTarget
from harness.asgi import ask
from harness.connection import FakeConnection
from harness.http_messages import HttpAnswer, http_answers, http_request
from penstock.core.contracts.page import PageContent
from penstock.core.errors import NotFoundError
from penstock.core.journal import OwnInquiries
from penstock.core.log_ring import LogRing
from penstock.transports.rest.app import build_app
from penstock.transports.rest.call import InferenceService
from penstock.transports.rest.caller import CallerHeaders
from penstock.transports.rest.drains import DrainOperations
from penstock.transports.rest.experiments import ExperimentOperations
from penstock.transports.rest.graphs import Graphs
from penstock.transports.rest.inference import inference_operations
from penstock.transports.rest.information import Information
from penstock.transports.rest.intake import Intake
from penstock.transports.rest.logs import LogStreams
from penstock.transports.rest.operation import Operation
from penstock.transports.rest.origins import Origins
from penstock.transports.rest.pages import page_operation, with_index
from penstock.transports.rest.repository import ModelRepository
from penstock.transports.rest.requests import Requests
from penstock.transports.rest.resources import Resources
from penstock.transports.rest.server import HttpServer
from penstock.transports.rest.watch import Watch

MAX_BODY = 1024 * 1024
MAX_HEAD = 4096

ORIGINS = Origins(["https://console.example.org"])

METRICS = PageContent("text/plain; version=0.0.4", b"up 1\n")


def file_page(path: Mapping[str, str]) -> PageContent:
    """A page with a placeholder, of one file."""
    if path["file"] != "a.js":
        raise NotFoundError(f"there is no file '{path['file']}'")
    return PageContent("text/javascript", b"1", {"etag": '"one"', "x-more": "yes"})


class RestRig:
    """The parts of a front end, and connections to it."""

    def __init__(self) -> None:
        self.gateway = FakeGateway()
        self.control = FakeControlPlane()
        self.intake = Intake()
        self.watch = Watch(self.control)
        self.stopping = asyncio.Event()
        self.logs = LogRing(100)
        callers = CallerHeaders(("x-tenant",))
        self.refused: list[str] = []
        self.service = InferenceService(
            self.gateway, callers, self.intake, MAX_BODY, self.refused.append
        )
        desk = self.gateway.desk
        self.requests = Requests(self.service, desk, OwnInquiries(desk), ORIGINS)
        self.operations: list[Operation] = with_index(
            [
                *inference_operations(self.service),
                *Information(self.gateway, callers, self.intake, MAX_BODY).operations(),
                *Resources(self.control, MAX_BODY, ORIGINS).operations(),
                *ModelRepository(self.control, MAX_BODY, ORIGINS).operations(),
                *Graphs(self.control).operations(),
                *self.watch.operations(),
                *LogStreams(self.logs, self.stopping).operations(),
                *DrainOperations(self.control, ORIGINS, self.stopping).operations(),
                *ExperimentOperations(self.control, ORIGINS).operations(),
                *self.requests.operations(),
                page_operation("/metrics", lambda path: METRICS),
                page_operation("/files/{file}", file_page),
            ],
            self.gateway,
        )
        self.app: Starlette = build_app(self.operations)
        self.server = HttpServer(self.app, self.service, MAX_HEAD)

    def connect(self) -> FakeConnection:
        """A new connection."""
        return FakeConnection(self.server.new_protocol())

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> HttpAnswer:
        """The answer to one request on a connection of its own."""
        connection = self.connect()
        connection.feed(http_request(method, path, body, headers))
        answers = await self.answers(connection)
        connection.lose()
        [answer] = answers
        return answer

    async def ask_later(self, body: bytes) -> tuple[FakeTarget, asyncio.Task[HttpAnswer]]:
        """A model that leaves its requests open, and who waits for it at the application."""
        target = self.gateway.add("later", lambda request: None)
        submitted = asyncio.Event()
        target.on_submit = lambda ticket: submitted.set()
        path = "/v2/models/later/infer"
        asking = asyncio.get_running_loop().create_task(ask(self.app, "POST", path, body))
        await submitted.wait()
        return target, asking

    async def answers(self, connection: FakeConnection) -> list[HttpAnswer]:
        """What was answered when the ASGI application has nothing more to do."""
        await self.server.wait_for_tasks()
        # What a task has written may begin the next one.
        await asyncio.sleep(0)
        await self.server.wait_for_tasks()
        return http_answers(connection.output)


@pytest.fixture
async def rig() -> RestRig:
    """A front end whose model ``echo`` answers with what it got."""
    rig = RestRig()
    rig.gateway.add("echo")
    return rig


def _body(*values: int, **members: Any) -> bytes:
    tensor = {"name": "x", "datatype": "INT32", "shape": [len(values)], "data": list(values)}
    return json.dumps({"inputs": [tensor], **members}).encode()


@pytest.fixture
def body() -> Callable[..., bytes]:
    """A request of inference with one tensor of the given values."""
    return _body
