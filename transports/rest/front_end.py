"""The REST front end: listens, drains and stops."""

from __future__ import annotations

import asyncio

from penstock.core.config import RestSection
from penstock.core.contracts.frontend import FrontEnd, FrontEndContext
from penstock.core.credentials import ServerCertificate
from penstock.core.journal import OwnInquiries
from penstock.transports.rest.access import guarded
from penstock.transports.rest.app import build_app
from penstock.transports.rest.call import InferenceService
from penstock.transports.rest.caller import CallerHeaders
from penstock.transports.rest.drains import DrainOperations
from penstock.transports.rest.experiments import ExperimentOperations
from penstock.transports.rest.graphs import Graphs
from penstock.transports.rest.inference import inference_operations
from penstock.transports.rest.information import Information
from penstock.transports.rest.intake import Intake
from penstock.transports.rest.listening import address_of, bind
from penstock.transports.rest.logs import LogStreams
from penstock.transports.rest.origins import Origins
from penstock.transports.rest.pages import merged_page_operation, page_operation, with_index
from penstock.transports.rest.passing import PassedToScheduler
from penstock.transports.rest.repository import ModelRepository
from penstock.transports.rest.requests import Requests
from penstock.transports.rest.resources import Resources
from penstock.transports.rest.server import HttpServer
from penstock.transports.rest.watch import Watch


class RestFrontEnd(FrontEnd):
    """V2, pages, and the control plane's twin where there is one."""

    def __init__(self, options: RestSection) -> None:
        self._options = options
        self._intake: Intake | None = None
        self._watch: Watch | None = None
        self._requests: Requests | None = None
        self._server: HttpServer | None = None
        self._stopping = asyncio.Event()

    async def start(self, context: FrontEndContext) -> str:
        """Listen; the address is a URL without a path."""
        self._intake = Intake()
        callers = CallerHeaders(context.passed_headers)
        service = InferenceService(
            context.gateway,
            callers,
            self._intake,
            context.max_request_bytes,
            context.count_refused,
        )
        information = Information(context.gateway, callers, self._intake, context.max_request_bytes)
        operations = [*inference_operations(service), *information.operations()]
        origins = Origins(self._options.origins)
        if context.control is not None:
            self._watch = Watch(context.control)
            resources = Resources(context.control, context.max_request_bytes, origins)
            operations += resources.operations()
            operations += self._watch.operations()
            repository = ModelRepository(context.control, context.max_request_bytes, origins)
            operations += repository.operations()
            operations += Graphs(context.control).operations()
            drains = DrainOperations(context.control, origins, self._stopping)
            operations += drains.operations()
            operations += ExperimentOperations(context.control, origins).operations()
        if context.logs is not None:
            operations += LogStreams(context.logs, self._stopping).operations()
        if context.desk is not None:
            inquiries = context.inquiries or OwnInquiries(context.desk)
            self._requests = Requests(service, context.desk, inquiries, origins, context.elsewhere)
            operations += self._requests.operations()
        operations += [page_operation(path, page) for path, page in context.pages.items()]
        operations += [
            merged_page_operation(path, page) for path, page in context.merged_pages.items()
        ]
        access = context.access
        if access is not None:
            operations = [guarded(operation, access) for operation in operations]
        elsewhere = context.elsewhere
        if elsewhere is None:
            app = build_app(with_index(operations, context.gateway))
        else:
            others = PassedToScheduler(elsewhere, context.max_request_bytes)
            app = build_app(operations, others)
        tls = self._options.tls
        server = HttpServer(
            app,
            # What needs a token is not answered past the application that asks for it.
            None if access is not None and access.guards_inference else service,
            context.max_header_bytes,
            None if tls is None else await asyncio.to_thread(ServerCertificate, tls.tls()),
        )
        sockets = await bind(
            self._options.host, self._options.port, shared=self._options.shared_port
        )
        await server.listen(sockets)
        self._server = server
        return address_of(self._options.host, sockets[0], secured=tls is not None)

    async def drain(self) -> None:
        """Refuse inference, end the watches, and wait for what is under way.

        The socket goes on listening, so that callers are told (503, ``connection: close``), and
        whoever asks for readiness as well.
        """
        self._end_streams()
        if self._intake is not None:
            self._intake.close()
            await self._intake.drained()
        if self._server is not None:
            await self._server.wait_for_tasks()

    async def stop(self) -> None:
        """Close every connection; calls under way are cancelled."""
        self._end_streams()
        if self._server is not None:
            await self._server.close()

    def _end_streams(self) -> None:
        self._stopping.set()
        if self._watch is not None:
            self._watch.close()
        if self._requests is not None:
            self._requests.close()
