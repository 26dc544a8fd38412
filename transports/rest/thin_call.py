"""A call on the thin path: collects its body, and writes its answer straight to the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from penstock.core.byte_elements import Buffer
from penstock.transports.rest.answer import Answer
from penstock.transports.rest.call import InferenceCall, InferenceService
from penstock.transports.rest.direct_body import LARGE_BYTES, body_buffer
from penstock.transports.rest.heads import PlainHead

if TYPE_CHECKING:
    from penstock.transports.rest.protocol import InferenceProtocol


class NobodyWaits:
    """Stands where uvicorn has the event that wakes an ASGI application."""

    def set(self) -> None:
        """Wake nobody."""


class ThinCall(InferenceCall):
    """One request on one connection.

    ``room`` is where a large body goes, of which ``filled`` bytes are there. The other public
    attributes are those that uvicorn's protocol looks at in a request under way, so that requests
    pipelined behind this one wait for it as for any other.
    """

    __slots__ = (
        "_pieces",
        "_protocol",
        "disconnected",
        "filled",
        "keep_alive",
        "response_complete",
        "room",
    )

    message_event: ClassVar = NobodyWaits()
    more_body: ClassVar = False
    response_started: ClassVar = False

    def __init__(
        self,
        protocol: InferenceProtocol,
        service: InferenceService,
        head: PlainHead,
    ) -> None:
        # Not through InferenceCall.__init__: this runs for every request.
        self._service = service
        self._address = head.address
        self._caller = head.caller
        self._json_length = head.json_length
        self._request = None
        self._ticket = None
        self._result = None
        self._protocol = protocol
        self._pieces: list[bytes] | None = None
        length = head.length
        self.room = body_buffer(length, head.json_length) if length > LARGE_BYTES else None
        self.filled = 0
        self.keep_alive = head.keep_alive
        self.response_complete = False
        self.disconnected = False

    def collect(self, piece: bytes) -> None:
        """Take a piece of the body."""
        if self.room is None:
            if self._pieces is None:
                self._pieces = [piece]
            else:
                self._pieces.append(piece)
        else:
            end = self.filled + len(piece)
            self.room[self.filled : end] = piece
            self.filled = end

    def take_body(self) -> Buffer:
        """The whole body, which the call does not keep."""
        pieces, room = self._pieces, self.room
        self._pieces = self.room = None
        if room is not None:
            return room
        if pieces is None:
            return b""
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def send(self, answer: Answer) -> None:
        """Write the answer; a caller that is gone gets none."""
        self.response_complete = True
        transport = self._protocol.transport
        if self.disconnected or transport.is_closing():
            return
        keep_alive = self.keep_alive and self._service.intake.open
        head = answer.http1(keep_alive=keep_alive)
        if answer.buffers:
            transport.writelines([head, *answer.buffers])
        else:
            transport.write(head)
        self._protocol.answered(keep_alive=keep_alive)
