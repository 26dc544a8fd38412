"""The key of a request, decided when it is admitted, on the real gateway."""

from __future__ import annotations

from typing import Any

import pytest

from harness.gateway_world import GatewayWorld
from harness.instances import Inline
from harness.virtual_time import in_virtual_time
from penstock.core.clock import VirtualClock
from penstock.core.contracts.model import ModelCall
from penstock.core.engine import Passage
from penstock.core.errors import InvalidRequestError, PenstockError
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.pipeline_gateway import GatewayLimits
from penstock.core.records import Headers
from penstock.core.tensors import Tensor

NO_TENSOR = (
    "pipeline 'p' takes its key from the input tensor 'who', which the request does not have"
)


class World(GatewayWorld):
    """One pipeline ``p`` with that key, and what its model saw of requests."""

    def __init__(self, clock: VirtualClock, key: str | None, record: Any = "none") -> None:
        super().__init__(clock, GatewayLimits(), most_per_model=256)
        self.keys: list[tuple[bytes, bytes]] = []
        self.identities: list[str] = []
        self.models.publish("a", 1, Inline(self._saw))
        section = {} if key is None else {"input": {"key": key}}
        spec = {"steps": [{"name": "a"}], "output": {"steps": ["a"]}, **section}
        self.pipeline("p", spec, record=record)

    def _saw(self, call: ModelCall) -> tuple[Tensor, ...]:
        assert isinstance(call.origin, Passage)
        self.keys.append((call.origin.key, call.origin.record_key))
        self.identities.append(call.origin.identity)
        return call.tensors

    def ask(self, name: str, headers: Headers) -> InferenceResponse | PenstockError:
        replies: list[InferenceResponse | PenstockError] = []
        self.gateway.resolve(name).submit(REQUEST, headers, None, replies.append)
        (reply,) = replies
        return reply


REQUEST = InferenceRequest(None, (Tensor.from_numpy("x", [1.0]), Tensor.from_numpy("who", ["ann"])))


@pytest.mark.parametrize("record", ["none", "boundary"])
@pytest.mark.parametrize(
    ("key", "expected"), [("who", b"ann"), ("x-who", b"bob"), ("p.inputs.who", b"ann")]
)
def test_it_is_what_the_manifest_names(key: str, expected: bytes, record: Any) -> None:
    async def main(clock: VirtualClock) -> None:
        at = World(clock, key, record)
        assert isinstance(at.ask("p", {"x-who": "bob"}), InferenceResponse)
        at.gateway.resolve("p").accept(REQUEST, {"x-who": "bob"})
        assert at.keys == [(expected, expected)] * 2

    in_virtual_time(main)


def test_it_is_the_identity_where_the_manifest_names_none() -> None:
    async def main(clock: VirtualClock) -> None:
        at = World(clock, None)
        at.ask("p", {})
        assert at.keys == [(b"", at.identities[0].encode())]

    in_virtual_time(main)


def test_a_request_without_it_is_refused() -> None:
    async def main(clock: VirtualClock) -> None:
        at = World(clock, "who")
        replies: list[InferenceResponse | PenstockError] = []
        without = InferenceRequest(None, REQUEST.tensors[:1])
        at.gateway.resolve("p").submit(without, {}, None, replies.append)
        (error,) = replies
        assert isinstance(error, InvalidRequestError)
        assert error.message == NO_TENSOR
        with pytest.raises(InvalidRequestError, match=NO_TENSOR):
            at.gateway.resolve("p").accept(without, {})
        assert at.metrics.refused == {"invalid-request": 2}
        assert (at.dataflow.open_passages, at.keys) == (0, [])

    in_virtual_time(main)


def test_a_child_takes_its_key_from_what_its_step_is_given() -> None:
    async def main(clock: VirtualClock) -> None:
        at = World(clock, "who")
        for name, reference in (("all", "outer"), ("one", "outer.inputs.x")):
            step = {"name": "c", "pipeline": "p", "inputs": [reference.replace("outer", name)]}
            at.pipeline(name, {"steps": [step], "output": {"steps": ["c"]}})
        assert isinstance(at.ask("all", {}), InferenceResponse)
        assert at.keys == [(b"ann", b"ann")]
        error = at.ask("one", {})
        assert isinstance(error, InvalidRequestError)
        assert (error.message, error.step) == (NO_TENSOR, "c")

    in_virtual_time(main)
