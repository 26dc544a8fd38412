"""The pool of one destination: who is asked, and who is not for a while."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from penstock.core.contracts.balancer import BalancedRequest, Balancer
from penstock.core.contracts.forwarder import GATEWAYS, EndpointStanding, Policy
from penstock.core.errors import InternalError, NotReadyError, OverloadedError, at_intake
from penstock.core.forwarding.seat import Seat


class Pool:
    """The seats of one destination. ``under_way`` counts requests, gone seats included.

    ``version`` goes along with each request.
    """

    __slots__ = ("_balancer", "_policy", "name", "seats", "under_way", "version")

    def __init__(self, name: str, balancer: Balancer, policy: Policy) -> None:
        self.name = name
        self.version = ""
        self.seats: Sequence[Seat] = ()
        self.under_way = 0
        self._balancer = balancer
        self._policy = policy

    def pick(
        self,
        request: BalancedRequest,
        random: float,
        now_ms: float,
        tried: Collection[Seat] = (),
    ) -> Seat | None:
        """Who is asked next; None when all have been tried. Hot.

        Where nobody is fit to be asked, all are: a request that may fail is better than one that
        must. Raises NotReadyError for a destination without seats, OverloadedError.
        """
        seats = self.seats
        if len(seats) > 1:
            fit = [seat for seat in seats if seat.fit(now_ms) and seat not in tried]
            fit = fit or [seat for seat in seats if seat not in tried]
        elif seats:
            fit = [] if tried else [seats[0]]
        else:
            raise NotReadyError(self._nobody())
        if not fit:
            return None
        bound = self._policy.in_flight
        free = [seat for seat in fit if seat.process.in_flight < bound]
        if not free:
            raise at_intake(
                OverloadedError(
                    f"each process that could answer has {bound} requests under way already; try "
                    "again later, or raise proxy.policy.inFlight"
                )
            )
        return free[0] if len(free) == 1 else self._balanced(free, request, random, now_ms)

    def _balanced(
        self, free: Sequence[Seat], request: BalancedRequest, random: float, now_ms: float
    ) -> Seat:
        slow_ms = self._policy.slow_start_ms
        choices = [seat.process.loaded(seat.endpoint.name, now_ms, slow_ms) for seat in free]
        try:
            return free[self._balancer.pick(choices, request, random)]
        except Exception as error:
            raise InternalError(
                f"the balancer '{self._policy.balancer}' failed: {error}"
            ) from error

    def succeeded(self, seat: Seat, now_ms: float) -> None:
        """``seat`` has answered."""
        seat.succeeded(now_ms, self._policy.outliers)

    def failed(self, seat: Seat, why: str, now_ms: float) -> None:
        """``seat`` has failed; it is ejected when that was too often and not too many are."""
        outliers = self._policy.outliers
        if not seat.failed(why, outliers) or len(self.seats) < 2:
            return
        ejected = 1 + sum(other.ejected_until_ms > now_ms for other in self.seats)
        if ejected == 1 or ejected * 100.0 <= outliers.most_percent * len(self.seats):
            seat.eject(now_ms, outliers)

    def answered(self, seat: Seat, status: int, now_ms: float) -> None:
        """``seat`` has answered with an HTTP status. What comes through gateways is of many models,
        so that failures of one say nothing of the gateway."""
        if status < 500 or status == 501 or self.name == GATEWAYS:
            self.succeeded(seat, now_ms)
        else:
            self.failed(seat, f"it answered {status}", now_ms)

    def standings(self, now_ms: float) -> Iterator[EndpointStanding]:
        """How each seat stands."""
        return (seat.standing(self.name, now_ms) for seat in self.seats)

    def _nobody(self) -> str:
        if self.name == GATEWAYS:
            return "the proxy knows no gateway that could answer at the moment; try again"
        return f"no process answers for {self.name} at the moment; try again"
