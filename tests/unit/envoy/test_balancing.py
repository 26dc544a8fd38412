"""The balancers that Envoy has."""

from __future__ import annotations

import pytest

from penstock.core.contracts.forwarder import Policy
from penstock.core.errors import InvalidRequestError, PenstockError, UnsupportedError
from penstock.proto.envoy_pb2 import LeastRequest, LoadBalancingPolicy, RingHash
from penstock.transports.envoy.balancing import balancing
from penstock.transports.envoy.messages import parsed


def told(policy: Policy) -> bytes:
    [one] = parsed(LoadBalancingPolicy, balancing(policy).policy).policies
    return one.typed_extension_config.typed_config.value


@pytest.mark.parametrize(
    ("written", "choices"), [("least-requests", 4), ("power-of-two", 2), ("locality", 2)]
)
def test_who_has_less_to_do_is_asked(written: str, choices: int) -> None:
    policy = Policy(balancer=written)
    found = LeastRequest.FromString(told(policy))
    assert found.choice_count.value == choices
    assert not found.HasField("slow_start_config")
    assert balancing(policy).nearest == (written == "locality")


def test_the_same_header_finds_the_same_endpoint() -> None:
    hashed = Policy(balancer="consistent-hash(X-User)")
    assert balancing(hashed).hash_header == "x-user"
    assert bound_of(hashed) == 125
    assert bound_of(Policy(balancer="consistent-hash(x-user, bound=1.1)")) == 111


def bound_of(policy: Policy) -> int:
    found = RingHash.FromString(told(policy))
    assert found.hash_function == RingHash.XX_HASH
    return found.consistent_hashing_lb_config.hash_balance_factor.value


def test_who_comes_grows_warm() -> None:
    policy = Policy(balancer="least-requests", slow_start_ms=1500.0)
    warm = LeastRequest.FromString(told(policy)).slow_start_config
    assert warm.slow_start_window.ToMilliseconds() == 1500
    assert warm.min_weight_percent.value == 10.0


@pytest.mark.parametrize(
    "written",
    [
        "mine",
        "least-requests(3)",
        "consistent-hash",
        "consistent-hash(x, bound='a')",
        "consistent-hash(x, bound=1)",
        "locality(spill=3)",
    ],
)
def test_others_are_refused(written: str) -> None:
    with pytest.raises(UnsupportedError):
        balancing(Policy(balancer=written))


def test_the_sentence_says_who_has_it() -> None:
    with pytest.raises(PenstockError, match="the embedded forwarder"):
        balancing(Policy(balancer="mine"))


def test_what_is_written_wrong_is_the_writers_to_mend() -> None:
    with pytest.raises(InvalidRequestError):
        balancing(Policy(balancer="consistent-hash("))
