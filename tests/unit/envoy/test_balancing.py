"""The balancers that Envoy has."""

from __future__ import annotations

import pytest

from penstock.core.contracts.forwarder import Policy
from penstock.core.errors import InvalidRequestError, PenstockError, UnsupportedError
from penstock.transports.envoy.balancing import balancing


@pytest.mark.parametrize(
    ("written", "choices"), [("least-requests", 4), ("power-of-two", 2), ("locality", 2)]
)
def test_who_has_less_to_do_is_asked(written: str, choices: int) -> None:
    found = balancing(Policy(balancer=written))
    assert f"'choice_count': {choices}" in str(found.policy)
    assert "slow_start" not in str(found.policy)
    assert found.nearest == (written == "locality")


def test_the_same_header_finds_the_same_endpoint() -> None:
    hashed = balancing(Policy(balancer="consistent-hash(X-User)"))
    assert hashed.hash_header == "x-user"
    assert "'hash_balance_factor': 125" in str(hashed.policy)
    tight = balancing(Policy(balancer="consistent-hash(x-user, bound=1.1)"))
    assert "'hash_balance_factor': 111" in str(tight.policy)


def test_who_comes_grows_warm() -> None:
    warm = str(balancing(Policy(balancer="least-requests", slow_start_ms=1500.0)).policy)
    assert "'slow_start_window': '1.500000s'" in warm


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
