"""One inference, from the bytes of its body to its answer: the handler behind both HTTP shells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import cast

from penstock.core.byte_elements import Buffer
from penstock.core.codecs.json import decode_request, encode_response
from penstock.core.contracts.gateway import Gateway, Ticket
from penstock.core.errors import PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.transports.rest.addresses import Address, AddressBook
from penstock.transports.rest.answer import Answer, error_answer, headers_beside
from penstock.transports.rest.caller import Caller, CallerHeaders
from penstock.transports.rest.errors import defect
from penstock.transports.rest.heads import KnownHeads
from penstock.transports.rest.intake import Intake


class InferenceService:
    """What all calls of a front end share."""

    __slots__ = ("addresses", "callers", "count_refused", "heads", "intake", "max_request_bytes")

    def __init__(
        self,
        gateway: Gateway,
        callers: CallerHeaders,
        intake: Intake,
        max_request_bytes: int,
        count_refused: Callable[[str], None],
    ) -> None:
        self.count_refused = count_refused
        self.addresses = AddressBook(gateway)
        self.callers = callers
        self.heads = KnownHeads()
        self.intake = intake
        self.max_request_bytes = max_request_bytes


class InferenceCall(ABC):
    """One request. The shell gives it the body; :meth:`send` gets the answer, once.

    Made for every request, hence slotted. It lets go of the ticket and the request as soon as it
    has the answer, since they hold it in turn.
    """

    __slots__ = (
        "_address",
        "_caller",
        "_json_length",
        "_request",
        "_result",
        "_service",
        "_ticket",
    )

    def __init__(
        self,
        service: InferenceService,
        address: Address,
        caller: Caller,
        json_length: int | None,
    ) -> None:
        self._service = service
        self._address = address
        self._caller = caller
        self._json_length = json_length
        self._request: InferenceRequest | None = None
        self._ticket: Ticket | None = None
        self._result: InferenceResponse | PenstockError | None = None

    @abstractmethod
    def send(self, answer: Answer) -> None:
        """Write the answer. Called on the event loop, perhaps before :meth:`begin` returns."""

    def begin(self, body: Buffer) -> None:
        """Decode the body and hand the request to the gateway. Hot; raises nothing."""
        service = self._service
        address = self._address
        caller = self._caller
        try:
            self._request = request = decode_request(
                body,
                header_length=self._json_length,
                max_json_bytes=service.max_request_bytes,
                model_name=address.name,
                model_version=address.version,
            )
            target = address.target()
            service.intake.enter()
        except Exception as error:
            refusal = error if isinstance(error, PenstockError) else defect(error, "inference")
            service.count_refused(refusal.code)
            self.send(error_answer(refusal, None, caller.request_id))
            return
        try:
            ticket = target.submit(request, caller.headers, caller.timeout_ms, self._reply)
        except Exception as error:
            self._finish(defect(error, "Target.submit"), None)
            return
        result = self._result
        if result is None:
            self._ticket = ticket
        else:
            self._finish(result, ticket.identity)

    def abandon(self) -> None:
        """The caller is gone: nobody waits for the answer. May be repeated."""
        if self._ticket is not None:
            self._ticket.cancel()

    def _reply(self, result: InferenceResponse | PenstockError) -> None:
        ticket = self._ticket
        if ticket is None:
            self._result = result
        else:
            self._finish(result, ticket.identity)

    def _finish(self, result: InferenceResponse | PenstockError, identity: str | None) -> None:
        self._service.intake.leave()
        request = self._request
        self._ticket = self._request = self._result = None
        if type(result) is not InferenceResponse:
            self.send(self._error_answer(cast(PenstockError, result), identity))
            return
        assert request is not None, "who is answered has asked"
        try:
            json, buffers = encode_response(result, request)
        except Exception as error:
            self.send(self._error_answer(error, identity))
            return
        extra = headers_beside(result) if result.parameters else None
        self.send(Answer(200, json, buffers, identity, self._caller.request_id, extra))

    def _error_answer(self, error: Exception, identity: str | None) -> Answer:
        if not isinstance(error, PenstockError):
            error = defect(error, "inference")
        return error_answer(error, identity, self._caller.request_id)
