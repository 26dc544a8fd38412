"""The servers where a gateway calls copies of models: one client for each address."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from penstock.core.contracts.model import CopyPlace, ModelInstance, ModelSpec, ServerAdapter
from penstock.core.errors import NotReadyError, PenstockError
from penstock.core.fleet import balanced
from penstock.core.routing.route import Copies

MakeServer: TypeAlias = Callable[[Mapping[str, Any]], ServerAdapter]
"""Makes the adapter to a server that speaks V2, from its options."""

ADAPTER: Final = "v2"
"""The server adapter that copies are called through."""

_log = logging.getLogger(__name__)


class _Loaded(NamedTuple):
    """One copy that can be called, and where it is."""

    address: str
    instance: ModelInstance


class CopyServers:
    """Makes instances that call copies elsewhere, spread over them.

    ``here`` is the scheduler's own address, for copies in its process. No server is asked
    anything: whether a copy is there, its scheduler knows, and a call finds out.
    """

    def __init__(self, make: MakeServer, here: str) -> None:
        self._make = make
        self._here = here
        self._servers: dict[str, ServerAdapter] = {}
        self._users: dict[str, int] = {}
        self._loaded: dict[ModelInstance, list[_Loaded]] = {}

    async def instance(self, model: str, copies: Copies) -> ModelInstance:
        """What calls these copies, until it is given to :meth:`release`.

        Raises NotReadyError where none of them can be called.
        """
        loaded, said = [], ["it has no copies"]
        for place in copies.places:
            address = place.address or self._here
            try:
                loaded.append(_Loaded(address, await self._load(model, copies, place, address)))
            except PenstockError as error:
                _log.warning("a copy of model '%s' at %s is left out: %s", model, address, error)
                said = [*said[1:], error.message]
        if not loaded:
            raise NotReadyError(f"no copy of it can be called from here: {'; '.join(said)}")
        instance = balanced([each.instance for each in loaded])
        self._loaded[instance] = loaded
        return instance

    async def release(self, instance: ModelInstance) -> None:
        """Nothing calls it any more."""
        for address, copy in self._loaded.pop(instance):
            await self._servers[address].unload(copy)
            self._users[address] -= 1
            if not self._users[address]:
                del self._users[address]
                await self._servers.pop(address).stop()

    async def close(self) -> None:
        """Close all connections."""
        servers, self._servers = self._servers, {}
        for server in servers.values():
            await server.stop()

    async def _load(
        self, model: str, copies: Copies, place: CopyPlace, address: str
    ) -> ModelInstance:
        server = self._servers.get(address)
        if server is None:
            server = self._make({"address": address, "verify": False})
            await server.start()
            self._servers[address] = server
        instance = await server.load(
            ModelSpec(
                model,
                copies.version,
                parameters={"remoteModel": place.model, "remoteVersion": place.version},
                signature=copies.signature,
            )
        )
        self._users[address] = self._users.get(address, 0) + 1
        return instance
