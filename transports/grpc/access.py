"""Which methods need which bearer token, and the table of methods that asks for it.

Health, liveness and reflection are open to everybody; whatever is no request to a model or pipeline
is the control plane's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import grpc

from penstock.core.credentials import Access
from penstock.core.errors import PenstockError
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.guard import Handler
from penstock.transports.grpc.methods import (
    HEALTH_SERVICE,
    INFERENCE_SERVICE,
    REFLECTION_SERVICE,
    REQUESTS_SERVICE,
    Handlers,
    MethodTable,
    refusing,
)

OPEN: Final = (
    f"/{HEALTH_SERVICE}/",
    f"/{REFLECTION_SERVICE}/",
    f"/{INFERENCE_SERVICE}/ServerLive",
    f"/{INFERENCE_SERVICE}/ServerReady",
)
REPOSITORY: Final = f"/{INFERENCE_SERVICE}/RepositoryModel"
"""How the methods begin that load and unload models, which is the control plane's matter."""
INFERENCE: Final = (f"/{INFERENCE_SERVICE}/", f"/{REQUESTS_SERVICE}/")


class GuardedMethodTable(MethodTable):
    """A table that lets only those call a method who bring what it needs."""

    def __init__(
        self,
        handlers: Handlers,
        closing: Closing,
        others: Callable[[str], Handler] | None,
        access: Access,
    ) -> None:
        super().__init__(handlers, closing, others)
        self._access = access

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Handler:
        """The handler of a call."""
        try:
            self._check(handler_call_details)
        except PenstockError as error:
            return refusing(error)
        return super().service(handler_call_details)

    def _check(self, call: grpc.HandlerCallDetails) -> None:
        method = call.method
        if method.startswith(OPEN):
            return
        metadata = call.invocation_metadata or ()
        given = next((value for key, value in metadata if key == "authorization"), None)
        authorization = given.decode("latin-1") if isinstance(given, bytes) else given
        if method.startswith(INFERENCE) and not method.startswith(REPOSITORY):
            self._access.check_inference(authorization)
        else:
            self._access.check_control(authorization)
