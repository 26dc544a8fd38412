"""The thin path of inference: a connection that answers without ASGI in between.

uvicorn's protocol makes a scope, a task and an event for every request. Here a plain request of
inference (POST to its path, a known length, nothing unusual in the headers) goes from the parser
to the gateway and back by function calls. Everything else goes on to uvicorn and the ASGI
application, which answers it with the same handler.

Written against uvicorn 0.34 to 0.54; :mod:`penstock.transports.rest.compatibility` says when
another one has changed what this relies on.
"""

from __future__ import annotations

from typing import Final

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from penstock.core.errors import PenstockError
from penstock.core.request_limit import too_large
from penstock.transports.rest.call import InferenceService
from penstock.transports.rest.caller import SILENT, check_media_type, json_length_of
from penstock.transports.rest.connections import Connections
from penstock.transports.rest.direct_body import DirectBody
from penstock.transports.rest.guarded import GuardedProtocol, RefusedError
from penstock.transports.rest.heads import MAX_HEAD_BYTES, PlainHead
from penstock.transports.rest.thin_call import ThinCall

UNUSUAL: Final = frozenset((b"transfer-encoding", b"content-encoding", b"expect"))
"""Headers of requests that the thin path leaves to ASGI."""


class InferenceProtocol(GuardedProtocol):
    """One connection. At most one call of the thin path is under way on it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        service: InferenceService,
        connections: Connections,
        max_header_bytes: int,
    ) -> None:
        super().__init__(config, server_state, connections, max_header_bytes)
        self._service = service
        self._begun: PlainHead | None = None
        self._incoming: ThinCall | None = None
        self._under_way: ThinCall | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        call = self._under_way
        if call is not None and not call.response_complete:
            call.disconnected = True
            call.abandon()
        self._incoming = self._under_way = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came; one whole request with a head that is known needs no parser. Hot."""
        if self._in_message or not data.startswith(b"POST "):
            self._parse(data)
            return
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES) + 4
        written = data[:end]
        head = self._service.heads.find(written)
        if head is not None and head.length == len(data) - end and self._is_free():
            self._call(head).begin(data[end:])
            return
        self._parse(data)
        head = self._begun
        # Where one request has filled the chunk to the last byte, the parser has found the end of
        # its head where it was looked for here, whatever the bytes are.
        if (
            self._messages_begun == 1
            and head is not None
            and head.length == len(data) - end
            and not self._in_message
        ):
            self._service.heads.keep(written, head)

    def _parse(self, data: bytes) -> None:
        self._messages_begun = 0
        self._begun = None
        super().data_received(data)
        call = self._incoming
        if call is not None and call.room is not None and not self._unparsed_bytes:
            self._read_directly(call, call.room)

    def begin_request(self, found: dict[bytes, bytes]) -> None:
        """Choose the way that the request takes. Hot."""
        length_text = found.get(b"content-length")
        if length_text is not None:
            length = int(length_text)
            if length > self._service.max_request_bytes:
                error = too_large(self._service.max_request_bytes)
                self._service.count_refused(error.code)
                self._refuse(error)
                raise RefusedError
            if self._begin_call(found, length):
                return
        super().begin_request(found)

    def on_body(self, body: bytes) -> None:
        if self._incoming is None:
            super().on_body(body)
        else:
            self._incoming.collect(body)

    def on_message_complete(self) -> None:
        call = self._incoming
        if call is None:
            super().on_message_complete()
        elif not self._unparsed_bytes:
            self._in_message = False
            self._incoming = None
            call.begin(call.take_body())

    def _is_free(self) -> bool:
        """Whether the next request can be answered at once and in its turn."""
        cycle = self.cycle
        return (
            (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self._refused
        )

    def _begin_call(self, found: dict[bytes, bytes], length: int) -> bool:
        """Take the request if it is a plain one; errors are left to the other path as well."""
        parser = self.parser
        if not self._is_free() or parser.get_method() != b"POST" or not UNUSUAL.isdisjoint(found):
            return False
        service = self._service
        try:
            caller = service.callers.read(found)
            if caller is not SILENT and caller.version:
                address = service.addresses.of_version(self.url, caller.target, caller.version)
            else:
                address = service.addresses.at_path(self.url)
            if address is None:
                return False
            if caller is not SILENT and caller.target is not None and not caller.version:
                address = service.addresses.in_header(caller.target)
            check_media_type(found)
            json_length = json_length_of(found)
        except PenstockError:
            return False
        keep_alive = parser.should_keep_alive()
        if b"connection" in found and parser.get_http_version() == "1.0":
            keep_alive = False
        head = self._begun = PlainHead(address, caller, json_length, length, keep_alive)
        self._incoming = self._call(head)
        return True

    def _call(self, head: PlainHead) -> ThinCall:
        call = self._under_way = ThinCall(self, self._service, head)
        self.cycle = call  # type: ignore[assignment]  # it has what is looked at in a cycle
        return call

    def answered(self, *, keep_alive: bool) -> None:
        """The call under way has written its answer."""
        if not keep_alive:
            self.server_state.total_requests += 1
            self.transport.close()
        elif self.pipeline or self.flow.read_paused:
            self.on_response_complete()
        else:
            self.server_state.total_requests += 1
            self._wait_for_request()

    def _read_directly(self, call: ThinCall, room: memoryview) -> None:
        """Read the rest of a large body without the parser, which would copy it twice."""
        transport = self.transport
        # Pausing makes every loop look at which kind of protocol it reads for.
        transport.pause_reading()
        transport.set_protocol(DirectBody(self, room, call.filled))
        transport.resume_reading()

    def direct_body_complete(self) -> None:
        """The rest of the body is there. A new parser waits for the next request."""
        transport = self.transport
        transport.pause_reading()
        transport.set_protocol(self)
        self.loop.call_soon(transport.resume_reading)
        self.parser = httptools.HttpRequestParser(self)
        self.on_message_complete()
