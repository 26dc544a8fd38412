"""The client of a server that speaks V2 (the Open Inference Protocol), over either protocol.

For adapters to such servers. Everything is called on one event loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

from penstock.core.contracts.gateway import IndexEntry, ServerMetadata
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Headers
from penstock.core.signature import Signature

LoadParameters: TypeAlias = Mapping[str, bool | int | str | bytes]
"""What a load or an unload is told beside the model's name: as Triton's ``config``, and
``file:<path>`` with the bytes of a file."""

NO_LOAD_PARAMETERS: Final[LoadParameters] = MappingProxyType({})
NO_HEADERS: Final[Headers] = MappingProxyType({})


class V2Client(ABC):
    """One server. Connections are opened when they are needed, and again after they broke.

    ``timeout_s`` is for that one call; what the client was made with holds without it. Every
    method raises PenstockError: LostError where nobody answers (UnreachableError where nothing was
    sent), DeadlineError where nobody does in time, StepFailedError for an answer that is none of
    V2, and whatever the server answers with (NotFoundError, OverloadedError and so on). The
    sentences name the server.
    """

    @property
    @abstractmethod
    def address(self) -> str:
        """``grpc://host:port`` or ``http://host:port``; ``grpcs`` and ``https`` with TLS."""

    @abstractmethod
    async def server_live(self, *, timeout_s: float | None = None) -> bool:
        """Whether the process is up. Nobody there is an error."""

    @abstractmethod
    async def server_ready(self, *, timeout_s: float | None = None) -> bool:
        """Whether the server takes requests. Nobody there is an error."""

    @abstractmethod
    async def server_metadata(self, *, timeout_s: float | None = None) -> ServerMetadata:
        """Name, version and extensions of the server."""

    @abstractmethod
    async def model_ready(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> bool:
        """Whether a model can answer. Whatever a server says of one that cannot (that it knows no
        such model, that it failed) is a no: servers differ in that."""

    @abstractmethod
    async def model_metadata(
        self, name: str, version: str = "", *, timeout_s: float | None = None
    ) -> Signature:
        """What a model takes and gives, as far as its server says.

        A side that lists no tensors is not known. A shape of [-1] is not known either, since
        servers write it for any shape.
        """

    @abstractmethod
    async def infer(
        self,
        request: InferenceRequest,
        *,
        timeout_s: float | None = None,
        headers: Headers = NO_HEADERS,
    ) -> InferenceResponse:
        """Call the model that ``request`` names, with its id and its parameters.

        Contents go and come raw wherever the server can, and are decoded nowhere in between.
        ``timeout_s`` is passed on as the call's deadline. ``headers``, in lower case, go beside
        the request. Errors are those of a step: what the server does not have or cannot take on
        now is NotReadyError or OverloadedError, what it refuses stays InvalidRequestError or
        TooLargeError. NoOutputError is Penstock's: the answer is absent.
        """

    @abstractmethod
    async def repository_index(
        self, *, ready_only: bool = False, timeout_s: float | None = None
    ) -> Sequence[IndexEntry]:
        """The models of the server's repository."""

    @abstractmethod
    async def load(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Have the server load, or load again, a model of its repository."""

    @abstractmethod
    async def unload(
        self,
        name: str,
        parameters: LoadParameters = NO_LOAD_PARAMETERS,
        *,
        timeout_s: float | None = None,
    ) -> None:
        """Have the server unload a model. Some answer before they have (Triton)."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections; calls under way end as lost."""
