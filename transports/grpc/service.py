"""The methods of V2 that tell of the server and of what it serves."""

from __future__ import annotations

from penstock.core.contracts.gateway import Gateway
from penstock.core.signature import TensorSpec
from penstock.proto import open_inference_pb2 as v2
from penstock.transports.grpc.closing import Closing
from penstock.transports.grpc.errors import Context
from penstock.transports.grpc.metadata import MetadataReader

TensorMetadata = v2.ModelMetadataResponse.TensorMetadata


class InformationCalls:
    """What is not inference; every method may raise PenstockError.

    Nothing is ready any more when closing has begun.
    """

    def __init__(self, gateway: Gateway, metadata: MetadataReader, closing: Closing) -> None:
        self._gateway = gateway
        self._metadata = metadata
        self._closing = closing

    async def server_live(
        self, request: v2.ServerLiveRequest, context: Context
    ) -> v2.ServerLiveResponse:
        """ServerLive."""
        return v2.ServerLiveResponse(live=self._gateway.live())

    async def server_ready(
        self, request: v2.ServerReadyRequest, context: Context
    ) -> v2.ServerReadyResponse:
        """ServerReady."""
        return v2.ServerReadyResponse(
            ready=self._gateway.server_ready() and not self._closing.begun
        )

    async def model_ready(
        self, request: v2.ModelReadyRequest, context: Context
    ) -> v2.ModelReadyResponse:
        """ModelReady; a name that is not there is an error, as over REST."""
        target = self._gateway.resolve(
            request.name, version=self._version(request.version, context)
        )
        ready = self._gateway.ready(target) is None
        return v2.ModelReadyResponse(ready=ready and not self._closing.begun)

    async def server_metadata(
        self, request: v2.ServerMetadataRequest, context: Context
    ) -> v2.ServerMetadataResponse:
        """ServerMetadata."""
        server = self._gateway.server_metadata()
        return v2.ServerMetadataResponse(
            name=server.name, version=server.version, extensions=server.extensions
        )

    async def model_metadata(
        self, request: v2.ModelMetadataRequest, context: Context
    ) -> v2.ModelMetadataResponse:
        """ModelMetadata; where no signature is known, no tensors are listed."""
        target = self._gateway.resolve(
            request.name, version=self._version(request.version, context)
        )
        known = self._gateway.metadata(target)
        signature = known.signature
        return v2.ModelMetadataResponse(
            name=known.name,
            versions=known.versions,
            platform=known.platform,
            inputs=_tensors(signature.inputs if signature else None),
            outputs=_tensors(signature.outputs if signature else None),
        )

    async def repository_index(
        self, request: v2.RepositoryIndexRequest, context: Context
    ) -> v2.RepositoryIndexResponse:
        """RepositoryIndex. There is one repository, whatever name is asked for."""
        return v2.RepositoryIndexResponse(
            models=[
                v2.RepositoryIndexResponse.ModelIndex(
                    name=entry.name, version=entry.version, state=entry.state, reason=entry.reason
                )
                for entry in self._gateway.repository_index(ready_only=request.ready)
            ]
        )

    def _version(self, written: str, context: Context) -> str | None:
        """The version of a model, where the message or the metadata name one."""
        said = self._metadata.read(context.invocation_metadata() or ())
        return written or said.version or None


def _tensors(specs: tuple[TensorSpec, ...] | None) -> list[TensorMetadata]:
    return [
        TensorMetadata(name=spec.name, datatype=spec.datatype or "", shape=spec.metadata_shape())
        for spec in specs or ()
    ]
