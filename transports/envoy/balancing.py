"""The balancers that Envoy has, by the names that ours have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from penstock.core.contracts.forwarder import Policy
from penstock.core.errors import UnsupportedError
from penstock.transports.envoy.messages import Json, extension, seconds

_WRITTEN: Final = re.compile(
    r"\s*(?P<name>[a-z-]+)\s*(?:\(\s*['\"]?(?P<header>[A-Za-z0-9-]*)['\"]?\s*\))?\s*"
)

SPILL_PERCENT: Final = 150
"""With consistent-hash, no endpoint gets more than this much of the mean: the next one does."""


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
    match = _WRITTEN.fullmatch(policy.balancer)
    name, header = match.group("name", "header") if match else (policy.balancer, None)
    if name == "least-requests":
        return Balancing(_least_requests(policy, {"selection_method": "FULL_SCAN"}))
    if name == "power-of-two":
        return Balancing(_least_requests(policy, {"choice_count": 2}))
    if name == "locality":
        return Balancing(_least_requests(policy, {"choice_count": 2}), nearest=True)
    if name == "consistent-hash" and header:
        return Balancing(_ring(), hash_header=header.lower())
    raise UnsupportedError(
        f"Envoy has no balancer '{policy.balancer}'; it has least-requests, power-of-two, locality "
        "and consistent-hash(HEADER), and the embedded forwarder (proxy.kind: embedded) has "
        "those of plug-ins as well"
    )


def _least_requests(policy: Policy, how: Json) -> Json:
    content = dict(how)
    if policy.slow_start_ms:
        content["slow_start_config"] = {
            "slow_start_window": seconds(policy.slow_start_ms),
            "min_weight_percent": {"value": 10},
        }
    return _one("envoy.load_balancing_policies.least_request", "LeastRequest", content)


def _ring() -> Json:
    content = {
        "hash_function": "XX_HASH",
        "consistent_hashing_lb_config": {"hash_balance_factor": SPILL_PERCENT},
    }
    return _one("envoy.load_balancing_policies.ring_hash", "RingHash", content)


def _one(name: str, kind: str, content: Json) -> Json:
    return {"policies": [{"typed_extension_config": extension(name, kind, content)}]}
