"""The balancers that Envoy has, by the names that ours have."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from google.protobuf.message import Message

from penstock.core.contracts.forwarder import Policy
from penstock.core.errors import UnsupportedError
from penstock.core.written_call import WrittenCall, read_call
from penstock.proto.envoy_pb2 import LeastRequest, RingHash
from penstock.transports.envoy.messages import Json, extension, seconds

MANY_CHOICES: Final = 4
"""With least-requests, how many are compared. If all were, a request that is tried again would find
the endpoint that has failed, which has the least to do."""

SPILL_PERCENT: Final = 125
"""With consistent-hash, no endpoint gets more than this much of its fair part: the next one does.
As much as of ours."""


@dataclass(frozen=True, slots=True)
class Balancing:
    """How Envoy chooses among endpoints.

    ``policy`` is its load balancing policy, ``hash_header`` the header by which routes hash, empty
    where they do not, and ``nearest`` whether endpoints of the own zone come first.
    """

    policy: Json
    hash_header: str = ""
    nearest: bool = False


def balancing(policy: Policy) -> Balancing:
    """Envoy's likeness of the policy's balancer. Raises UnsupportedError where it has none."""
    match read_call(policy.balancer, "balancer", words=True):
        case WrittenCall("least-requests", (), ()):
            return Balancing(_least_requests(policy, MANY_CHOICES))
        case WrittenCall("power-of-two", (), ()):
            return Balancing(_least_requests(policy, 2))
        case WrittenCall("locality", (), ()):
            return Balancing(_least_requests(policy, 2), nearest=True)
        case WrittenCall("consistent-hash", (str(header),), ()):
            return Balancing(_ring(SPILL_PERCENT), hash_header=header.lower())
        case WrittenCall("consistent-hash", (str(header),), (("bound", int() | float() as bound),)):
            return Balancing(_ring(_percent(bound)), hash_header=header.lower())
    raise UnsupportedError(
        f"Envoy cannot balance by '{policy.balancer}'; it can by least-requests, power-of-two, "
        "locality and consistent-hash(HEADER, bound=1.25), and the embedded forwarder "
        "(proxy.kind: embedded) by those of plug-ins as well"
    )


def _percent(bound: float) -> int:
    if not bound > 1:
        raise UnsupportedError("bound must be over 1, as a part of what each would have")
    return ceil(bound * 100)


def _least_requests(policy: Policy, choices: int) -> Json:
    content: dict[str, object] = {"choice_count": choices}
    if policy.slow_start_ms:
        content["slow_start_config"] = {
            "slow_start_window": seconds(policy.slow_start_ms),
            "min_weight_percent": {"value": 10},
        }
    return _one("envoy.load_balancing_policies.least_request", LeastRequest, content)


def _ring(most_percent: int) -> Json:
    content = {
        "hash_function": "XX_HASH",
        "consistent_hashing_lb_config": {"hash_balance_factor": most_percent},
    }
    return _one("envoy.load_balancing_policies.ring_hash", RingHash, content)


def _one(name: str, kind: type[Message], content: Json) -> Json:
    return {"policies": [{"typed_extension_config": extension(name, kind, content)}]}
