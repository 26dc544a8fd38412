"""Who of a destination is asked: health, ejection, bounds, slow start."""

from __future__ import annotations

import pytest

from penstock.core.contracts.balancer import BalancedRequest
from penstock.core.contracts.forwarder import (
    GATEWAYS,
    Change,
    HealthChecks,
    Outliers,
    Policy,
    Share,
    Way,
)
from penstock.core.errors import InternalError, NotReadyError, OverloadedError
from penstock.core.forwarding.pool import Pool
from penstock.core.forwarding.seat import Seat
from unit.forwarding.rig import REQUEST, First, World, destination, endpoint


def pool_of(world: World, *names: str, name: str = "m") -> Pool:
    """The pool of a destination with endpoints of these names."""
    world.table.apply(Change({name: destination(*names)}, {name: Way((Share(name),))}))
    fork = world.table.fork(name)
    assert fork is not None
    return fork.choose(None, 0.0).pool


def picked(world: World, pool: Pool, tried: tuple[Seat, ...] = ()) -> str | None:
    seat = pool.pick(REQUEST, 0.0, world.clock.now_ms(), tried)
    return None if seat is None else seat.endpoint.name


def fail(world: World, pool: Pool, index: int, times: int = 1) -> None:
    for _ in range(times):
        pool.failed(pool.seats[index], "it answered 500", world.clock.now_ms())


def test_who_has_been_tried_is_not_asked_again() -> None:
    world = World()
    pool = pool_of(world, "a", "b")
    a, b = pool.seats
    assert picked(world, pool) == "a"
    assert picked(world, pool, (a,)) == "b"
    assert picked(world, pool, (a, b)) is None


def test_the_only_one_is_tried_once() -> None:
    world = World()
    pool = pool_of(world, "a")
    assert picked(world, pool) == "a"
    assert picked(world, pool, (pool.seats[0],)) is None


def test_a_destination_without_anybody_is_not_ready() -> None:
    world = World()
    with pytest.raises(NotReadyError, match="no process answers for m"):
        picked(world, pool_of(world))
    with pytest.raises(NotReadyError, match="knows no gateway"):
        picked(world, pool_of(world, name=GATEWAYS))


def test_who_fails_checks_is_left_out_until_it_passes_some() -> None:
    checks = HealthChecks(unhealthy_after=2, healthy_after=2)
    world = World()
    pool = pool_of(world, "a", "b")
    process = pool.seats[0].process
    process.failed_check("silent", checks)
    assert picked(world, pool) == "a"
    process.failed_check("silent", checks)
    assert picked(world, pool) == "b"
    assert [each.health for each in world.table.standings()] == ["unhealthy", "unknown"]
    process.passed_check(checks)
    assert picked(world, pool) == "b"
    process.passed_check(checks)
    assert picked(world, pool) == "a"


def test_where_nobody_is_fit_all_are_asked() -> None:
    checks = HealthChecks(unhealthy_after=1)
    world = World()
    pool = pool_of(world, "a", "b")
    for seat in pool.seats:
        seat.process.failed_check("silent", checks)
    assert picked(world, pool) == "a"
    assert picked(world, pool, (pool.seats[0],)) == "b"


def test_failures_in_a_row_eject_for_longer_every_time() -> None:
    world = World(Policy(outliers=Outliers(failures=3, eject_ms=100.0)))
    pool = pool_of(world, "a", "b")
    fail(world, pool, 0, times=2)
    pool.succeeded(pool.seats[0], world.clock.now_ms())
    fail(world, pool, 0, times=2)
    assert picked(world, pool) == "a"
    fail(world, pool, 0)
    assert picked(world, pool) == "b"
    [standing, _] = world.table.standings()
    assert (standing.health, standing.why) == ("ejected", "it answered 500")
    world.clock.advance(100.0)
    assert picked(world, pool) == "a"
    fail(world, pool, 0, times=3)
    world.clock.advance(199.0)
    assert picked(world, pool) == "b"
    world.clock.advance(1.0)
    assert picked(world, pool) == "a"
    # Long good conduct is rewarded.
    world.clock.advance(1_000.0)
    pool.succeeded(pool.seats[0], world.clock.now_ms())
    fail(world, pool, 0, times=3)
    world.clock.advance(100.0)
    assert picked(world, pool) == "a"


def test_not_more_are_ejected_than_the_policy_says() -> None:
    world = World(Policy(outliers=Outliers(failures=1, most_percent=50.0)))
    pool = pool_of(world, "a", "b", "c", "d")
    for index in range(4):
        fail(world, pool, index)
    assert [each.health for each in world.table.standings()] == [
        "ejected",
        "ejected",
        "unknown",
        "unknown",
    ]


def test_one_may_always_be_ejected_but_for_the_only_one() -> None:
    world = World(Policy(outliers=Outliers(failures=1, most_percent=1.0)))
    pool = pool_of(world, "a", "b")
    fail(world, pool, 0)
    assert picked(world, pool) == "b"
    alone = pool_of(world, "c", name="alone")
    fail(world, alone, 0)
    assert world.table.standings()[-1].health == "unknown"


@pytest.mark.parametrize(
    ("status", "ejected"), [(500, True), (503, True), (501, False), (404, False)]
)
def test_which_answers_are_failures(status: int, ejected: bool) -> None:
    world = World(Policy(outliers=Outliers(failures=1)))
    pool = pool_of(world, "a", "b")
    pool.answered(pool.seats[0], status, 0.0)
    assert (picked(world, pool) == "b") is ejected
    gateways = pool_of(world, "c", "d", name=GATEWAYS)
    gateways.answered(gateways.seats[0], status, 0.0)
    assert picked(world, gateways) == "c"


def test_a_process_is_ejected_where_it_fails_and_nowhere_else() -> None:
    world = World(Policy(outliers=Outliers(failures=1)))
    broken, sound = pool_of(world, "a", "b"), pool_of(world, "a", "b", name="n")
    fail(world, broken, 0)
    assert picked(world, broken) == "b"
    assert picked(world, sound) == "a"


def test_who_has_its_bound_is_passed_over_and_with_none_left_it_is_too_much() -> None:
    world = World(Policy(in_flight=2))
    pool = pool_of(world, "a", "b")
    a, b = pool.seats
    a.process.in_flight = 2
    assert picked(world, pool) == "b"
    b.process.in_flight = 2
    with pytest.raises(OverloadedError, match="2 requests under way"):
        picked(world, pool)


def test_who_has_just_come_weighs_less() -> None:
    world = World(Policy(slow_start_ms=1_000.0))
    pool_of(world, "a")
    world.clock.advance(5_000.0)
    pool = pool_of(world, "a", "b")

    def weights() -> list[float]:
        picked(world, pool)
        return [each.weight for each in world.balancer.shown]

    assert weights() == [1.0, 0.1]
    world.clock.advance(500.0)
    assert weights() == [1.0, 0.5]
    world.clock.advance(500.0)
    assert weights() == [1.0, 1.0]


def test_a_balancer_that_fails_is_named() -> None:
    class Broken(First):
        def pick(self, choices: object, request: BalancedRequest, random: float) -> int:
            raise KeyError("x")

    world = World()
    world.table = type(world.table)(world._make, Broken(), Policy(), world.clock)
    with pytest.raises(InternalError, match="the balancer 'power-of-two' failed"):
        picked(world, pool_of(world, "a", "b"))


def test_endpoints_are_what_was_told() -> None:
    world = World()
    pool = pool_of(world, "a", "a", "b")
    assert [seat.endpoint for seat in pool.seats] == [endpoint("a"), endpoint("b")]
