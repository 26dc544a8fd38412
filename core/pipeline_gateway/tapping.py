"""Who follows which ports: a pipeline that somebody follows runs over another plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from penstock.core.errors import NotFoundError, OverloadedError
from penstock.core.journal.tap import Tap
from penstock.core.nearest import did_you_mean
from penstock.core.pipeline_gateway.routes import Routes
from penstock.core.plan import Plan
from penstock.core.records import Port, PortSide
from penstock.core.signature import Signature

Put: TypeAlias = Callable[[Plan, Signature | None, tuple[Tap, ...]], None]
"""Serves a pipeline by a plan, with those who follow its ports."""

MOST_TAPS: Final = 100
"""In one process."""

_SIDES: Final[tuple[PortSide, ...]] = ("inputs", "outputs")


class _Served(NamedTuple):
    plan: Plan
    signature: Signature | None


class Tapping:
    """The taps on the pipelines of a process.

    A plan says at compile time which ports emit, so that nobody else pays for those who look. While
    a pipeline has taps, a variant of its plan is served in which the ports that they follow emit as
    well; requests that are under way stay on the plan that they began with.
    """

    def __init__(self, put: Put, routes: Routes) -> None:
        self._put = put
        self._routes = routes
        self._served: dict[str, _Served] = {}
        self._taps: dict[str, list[Tap]] = {}

    def serve(self, plan: Plan, signature: Signature | None) -> None:
        """A version is to be served; who follows a step that it has not is told, and lost."""
        self._served[plan.name] = _Served(plan, signature)
        for tap in list(self._taps.get(plan.name, ())):
            try:
                _ports(tap, plan)
            except NotFoundError as error:
                self._drop(tap)
                tap.end(error)
        self._serve(plan.name)

    def withdraw(self, name: str) -> None:
        """A pipeline is not ready any more; who follows it waits for it to come back."""
        self._served.pop(name, None)

    def remove(self, name: str) -> None:
        """A pipeline is gone."""
        self.withdraw(name)
        for tap in self._taps.pop(name, ()):
            tap.end(NotFoundError(f"pipeline '{name}' was deleted"))

    def follow(self, tap: Tap) -> None:
        """As :meth:`penstock.core.contracts.gateway.Gateway.follow`."""
        name = tap.wanted.pipeline
        self._routes.find(name, "pipeline", None)
        if sum(map(len, self._taps.values())) >= MOST_TAPS:
            raise OverloadedError(f"{MOST_TAPS} taps are open, and no more are; close one of them")
        served = self._served.get(name)
        if served is not None:
            _ports(tap, served.plan)
        self._taps.setdefault(name, []).append(tap)
        self._serve(name)

    def unfollow(self, tap: Tap) -> None:
        """Nobody reads a tap any more."""
        if self._drop(tap):
            self._serve(tap.wanted.pipeline)

    def _drop(self, tap: Tap) -> bool:
        name = tap.wanted.pipeline
        taps = self._taps.get(name, [])
        if tap not in taps:
            return False
        taps.remove(tap)
        if not taps:
            del self._taps[name]
        return True

    def _serve(self, name: str) -> None:
        served = self._served.get(name)
        if served is None:
            return
        plan = served.plan
        taps = tuple(self._taps.get(name, ()))
        ports = frozenset(port for tap in taps for port in _ports(tap, plan))
        if ports:
            assert plan.variant is not None, "plans of pipelines can be compiled once more"
            plan = plan.variant(ports)
        self._put(plan, served.signature, taps)


def _ports(tap: Tap, plan: Plan) -> frozenset[Port]:
    """The ports that a tap follows. Raises NotFoundError when there is no such step."""
    names = [step.name for step in plan.steps]
    wanted = tap.wanted.port
    if wanted is None:
        return frozenset(Port(name, side) for name in (None, *names) for side in _SIDES)
    if wanted.step is not None and wanted.step not in names:
        hint = did_you_mean(wanted.step, names) or f"its steps are {', '.join(names)}"
        raise NotFoundError(
            f"pipeline '{plan.name}', version {plan.version}, has no step '{wanted.step}'; {hint}"
        )
    return frozenset({wanted})
