"""Taking a model into service that its server has ready."""

from __future__ import annotations

from penstock.core.clock import Clock
from penstock.core.contracts.model import ModelSpec
from penstock.core.errors import (
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    PenstockError,
    UnsupportedError,
)
from penstock.core.signature import Signature
from penstock.servers.binding.agreement import agree_with_server
from penstock.servers.inprocess.waiting import Patience
from penstock.servers.v2.client import V2Client
from penstock.servers.v2.remote_model import RemoteModel


async def attach(
    client: V2Client,
    spec: ModelSpec,
    name: str,
    version: str,
    *,
    concurrency: int,
    max_waiting: int,
    clock: Clock,
    identified: bool = False,
    verify: bool = True,
) -> RemoteModel:
    """The model that the server calls ``name``, ready to be called for what ``spec`` says. It is
    taken to be there, and to be as ``spec`` says, where ``verify`` is not set.

    Raises NotFoundError when the server knows no such model, NotReadyError when it has it and
    cannot serve it, InvalidRequestError when it is another than the manifest declares.
    """
    signature = spec.signature
    if verify:
        if not await client.model_ready(name, version):
            raise await _why_not(client, name, version)
        signature = agree_with_server(await _known(client, name, version), signature)
    return RemoteModel(
        client,
        name,
        version,
        signature,
        concurrency=spec.concurrency or concurrency,
        patience=Patience(spec.name, max_waiting, clock),
        clock=clock,
        identified=identified,
    )


async def _known(client: V2Client, name: str, version: str) -> Signature:
    """What the server says of the model's tensors; some servers say nothing."""
    try:
        return await client.model_metadata(name, version)
    except (NotFoundError, UnsupportedError):
        return Signature()


async def _why_not(client: V2Client, name: str, version: str) -> PenstockError:
    """Why a model is not ready: servers say it best of one that they do not know."""
    text = f"model '{name}'" + (f", version '{version}'," if version else "")
    try:
        await client.model_metadata(name, version)
    except (NotFoundError, InvalidRequestError) as error:
        return NotFoundError(
            f"{text} is not there: {error}; load it there, or name another with "
            "spec.parameters.remoteModel"
        )
    except UnsupportedError:
        pass
    return NotReadyError(
        f"the server at {client.address} does not have {text} ready; it is tried again, see that "
        "server's log for the cause"
    )
