"""A model that runs on a V2 server elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from math import isinf
from typing import Any, Final

from penstock.core.clock import Clock
from penstock.core.contracts.model import CallOrigin, ModelCall, ModelInstance
from penstock.core.errors import LostError, NoOutputError, StepFailedError
from penstock.core.inference import InferenceRequest
from penstock.core.records import Headers, Tensors
from penstock.core.request_headers import IDENTITY_HEADER
from penstock.core.signature import Signature
from penstock.core.tensors import Tensor
from penstock.servers.binding.tensor_check import TensorCheck, actual_text, check_of
from penstock.servers.inprocess.waiting import Patience, Places
from penstock.servers.v2.client import V2Client

MOST_IDENTITY: Final = 4096
"""Characters of identities that go with a call: a call for many requests has as many of them, and
servers refuse headers of more than 8 KiB."""

REST_S: Final = 1.0
"""How long calls go to other copies after the server was not reached, where there are some."""

LEAST_S: Final = 0.001
"""What a call is given that got its place at the last moment; the engine ends it if need be."""


class RemoteModel(ModelInstance):
    """Calls ``name`` (and ``version``, empty for the server's choice) through ``client``.

    Up to ``concurrency`` calls are under way; the others wait as ``patience`` says. With
    ``identified`` each call says in a header for which request it is.
    """

    __slots__ = (
        "_away",
        "_checks",
        "_client",
        "_clock",
        "_identified",
        "_name",
        "_places",
        "_version",
    )

    def __init__(
        self,
        client: V2Client,
        name: str,
        version: str,
        signature: Signature | None,
        *,
        concurrency: int,
        patience: Patience,
        clock: Clock,
        identified: bool = False,
    ) -> None:
        super().__init__(signature)
        self._client = client
        self._clock = clock
        self._identified = identified
        self._name = name
        self._version = version
        self._places = Places(concurrency, patience)
        self._checks = _checks(signature)
        self._away = False

    def set_away(self, away: bool) -> None:
        """Whether its server is known not to have it, as while that is started again."""
        self._away = away
        self.available = not away

    @property
    def remote_name(self) -> str:
        """What the server calls it."""
        return self._name

    def infer(self, call: ModelCall) -> Coroutine[Any, Any, Tensors]:
        return self._run(call)

    async def close(self) -> None:
        await self._places.idle()

    async def _run(self, call: ModelCall) -> Tensors:
        """Wait for a place, and send the call. Hot."""
        places = self._places
        await places.take(call.deadline_ms)
        try:
            origin = call.origin
            left_s = (call.deadline_ms - self._clock.now_ms()) / 1000.0
            response = await self._client.infer(
                InferenceRequest(
                    origin.request_id,
                    call.tensors,
                    origin.parameters,
                    None,
                    False,
                    self._name,
                    self._version,
                ),
                timeout_s=None if isinf(left_s) else max(left_s, LEAST_S),
                headers=headers_of(origin) if self._identified else origin.headers,
            )
        except NoOutputError:
            return ()
        except LostError:
            self._rest()
            raise
        finally:
            places.give_back()
        tensors = response.tensors
        checks = self._checks
        if checks:
            for tensor in tensors:
                check = checks.get(tensor.name)
                if check is not None and not check.fits(tensor):
                    raise self._misfit(tensor, check)
        return tensors

    def _rest(self) -> None:
        """Let other copies of the model have the next calls."""
        self.available = False
        asyncio.get_running_loop().call_later(REST_S, self._come_back)

    def _come_back(self) -> None:
        self.available = not self._away

    def _misfit(self, tensor: Tensor, check: TensorCheck) -> StepFailedError:
        return StepFailedError(
            f"model '{self._name}' at {self._client.address} put out '{tensor.name}' as "
            f"{actual_text(tensor)}, and its signature says {check.expected}"
        )


def headers_of(origin: CallOrigin) -> Headers:
    """What goes beside a call that says whose it is."""
    identity = origin.identity
    if len(identity) > MOST_IDENTITY:
        return origin.headers
    return {**origin.headers, IDENTITY_HEADER: identity}


def _checks(signature: Signature | None) -> dict[str, TensorCheck]:
    outputs = () if signature is None else signature.outputs or ()
    checks = {spec.name: check_of(spec) for spec in outputs}
    return {name: check for name, check in checks.items() if check is not None}
