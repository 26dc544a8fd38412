"""Models loaded and unloaded by name, as V2's model repository has it."""

from __future__ import annotations

from penstock.core.contracts.control import ControlPlane, refuse_parameters
from penstock.proto import open_inference_pb2 as v2
from penstock.transports.grpc.errors import Context


class RepositoryCalls:
    """Every method may raise PenstockError."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control

    async def load(
        self, request: v2.RepositoryModelLoadRequest, context: Context
    ) -> v2.RepositoryModelLoadResponse:
        """RepositoryModelLoad; there is one repository, whatever name is given."""
        refuse_parameters(_parameters(request))
        await self._control.load(request.model_name)
        return v2.RepositoryModelLoadResponse()

    async def unload(
        self, request: v2.RepositoryModelUnloadRequest, context: Context
    ) -> v2.RepositoryModelUnloadResponse:
        """RepositoryModelUnload."""
        refuse_parameters(_parameters(request))
        await self._control.unload(request.model_name)
        return v2.RepositoryModelUnloadResponse()


def _parameters(
    request: v2.RepositoryModelLoadRequest | v2.RepositoryModelUnloadRequest,
) -> dict[str, object]:
    return {
        name: getattr(value, value.WhichOneof("parameter_choice") or "", None)
        for name, value in request.parameters.items()
    }
