"""The server adapter ``v2``: models that run on a server elsewhere, which speaks V2."""

from __future__ import annotations

import logging
from collections import Counter

from penstock.core.clock import Clock, SystemClock
from penstock.core.contracts.model import CopyPlace, ModelInstance, ModelSpec, ServerAdapter
from penstock.core.errors import (
    DeadlineError,
    InvalidRequestError,
    LostError,
    NotReadyError,
    PenstockError,
)
from penstock.servers.v2.attaching import attach
from penstock.servers.v2.client import V2Client
from penstock.servers.v2.connecting import connect
from penstock.servers.v2.options import V2Options
from penstock.servers.v2.remote_model import RemoteModel
from penstock.servers.v2.remote_name import RemoteName, refuse_parameters, remote_name

_log = logging.getLogger(__name__)


class V2Server(ServerAdapter):
    """One server elsewhere. ``clock`` is the one that deadlines of calls are in.

    Raises InvalidRequestError for options without an address.
    """

    needs_manifest = True
    attaches = True

    def __init__(self, options: V2Options, *, clock: Clock | None = None) -> None:
        if options.address is None:
            raise InvalidRequestError(
                "nothing says where the server is; write its address (grpc://host:port or "
                "http://host:port) under options"
            )
        self._options = options
        self._clock = clock or SystemClock()
        self._client: V2Client | None = None
        self._loads: Counter[str] = Counter()
        """How many instances there are of each model that was loaded through the repository."""

    def use_clock(self, clock: Clock) -> None:
        self._clock = clock

    async def start(self) -> None:
        client = await connect(self._options.endpoint())
        if not self._options.verify:
            self._client = client
            return
        try:
            if not await client.server_live():
                raise NotReadyError(f"the server at {client.address} says that it is not live")
            known = await client.server_metadata()
        except (LostError, DeadlineError) as error:
            await client.close()
            raise NotReadyError(error.message) from error
        except BaseException:
            await client.close()
            raise
        self._client = client
        _log.info("attached to %s %s at %s", known.name, known.version, client.address)

    def capabilities(self) -> frozenset[str]:
        return frozenset(self._options.capabilities)

    async def load(self, spec: ModelSpec) -> ModelInstance:
        client = self._attached()
        remote = remote_name(spec)
        if self._options.load == "present":
            refuse_parameters(remote)
            return await self._attach(client, spec, remote)
        await client.load(remote.name, remote.parameters, timeout_s=self._options.load_timeout_s)
        self._loads[remote.name] += 1
        try:
            return await self._attach(client, spec, remote)
        except BaseException:
            await self._unload(client, remote.name)
            raise

    async def unload(self, instance: ModelInstance) -> None:
        await instance.close()
        if self._options.load == "repository" and isinstance(instance, RemoteModel):
            await self._unload(self._attached(), instance.remote_name)

    async def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _attached(self) -> V2Client:
        if self._client is None:
            raise NotReadyError(f"the server at {self._options.address} is not attached")
        return self._client

    async def _attach(self, client: V2Client, spec: ModelSpec, remote: RemoteName) -> RemoteModel:
        options = self._options
        model = await attach(
            client,
            spec,
            remote.name,
            remote.version,
            concurrency=options.concurrency,
            max_waiting=options.max_waiting,
            clock=self._clock,
            identified=options.pass_identity,
            verify=options.verify,
        )
        if not options.guarded:
            model.place = CopyPlace(client.address, remote.name, remote.version)
        return model

    async def _unload(self, client: V2Client, name: str) -> None:
        """Unload a model from the server when nobody here uses it any more."""
        self._loads[name] -= 1
        if self._loads[name] > 0:
            return
        del self._loads[name]
        try:
            await client.unload(name)
        except PenstockError as error:
            _log.warning(
                "model '%s' may still be loaded elsewhere: %s", name, error, extra={"model": name}
            )
