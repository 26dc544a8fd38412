"""The experiments of a gateway, by their names and by the candidates whose names they take over."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TypeAlias

from penstock.core.clock import Clock
from penstock.core.contracts.gateway import Target, TargetKind
from penstock.core.contracts.router import Router
from penstock.core.errors import NotFoundError, PenstockError
from penstock.core.experiments.in_force import InForce
from penstock.core.experiments.split import Observe, nobody_looks
from penstock.core.nearest import did_you_mean
from penstock.core.pipeline_gateway.experiment import (
    ExperimentTarget,
    FindArm,
    Refuse,
    WhyNot,
)
from penstock.core.target_names import impossible

MakeRouter: TypeAlias = Callable[[str], Router]
"""Makes the router that a manifest writes. Raises PenstockError."""


class Experiments:
    """``find_served`` gives models and pipelines by name, ``refuse`` answers what did not enter.

    ``renew`` is called with the kind and the name of what has another meaning from now on.
    """

    def __init__(
        self,
        find_served: FindArm,
        why_not: WhyNot,
        refuse: Refuse,
        renew: Callable[[TargetKind, str], None],
        clock: Clock,
    ) -> None:
        self._find_served = find_served
        self._renew = renew
        self._make_router: MakeRouter = _no_routers
        self._targets: dict[str, ExperimentTarget] = {}
        self._taken_over: dict[tuple[TargetKind, str], ExperimentTarget] = {}
        self.why_not = why_not
        self.refuse = refuse
        self.observe: Observe = nobody_looks
        self.random = random.random
        self.now_ms = clock.now_ms

    def __iter__(self) -> Iterator[ExperimentTarget]:
        """Every experiment, by name."""
        return (self._targets[name] for name in sorted(self._targets))

    def use(self, make_router: MakeRouter, observe: Observe) -> None:
        """Make routers with ``make_router``, and tell ``observe`` of what became of requests.
        Comes before anything is served."""
        self._make_router, self.observe = make_router, observe

    def find_with(self, find_served: FindArm, why_not: WhyNot) -> None:
        """Have models and pipelines be found otherwise from now on, and asked whether they can
        answer."""
        self._find_served, self.why_not = find_served, why_not

    def set(self, in_force: InForce) -> None:
        """Split requests from now on as ``in_force`` says."""
        router: Router | PenstockError
        try:
            router = self._make_router(in_force.manifest.spec.router)
        except PenstockError as error:
            router = error
        before = self._targets.get(in_force.manifest.name)
        target = ExperimentTarget(in_force, router, self, before)
        self.remove(target.name)
        self._targets[target.name] = target
        spec = in_force.manifest.spec
        if spec.default is not None and spec.resource_type != "experiment":
            self._taken_over[spec.resource_type, spec.default] = target
            self._renew(spec.resource_type, spec.default)

    def remove(self, name: str) -> None:
        """Split nothing under that name any more; what is under way ends as it began."""
        target = self._targets.pop(name, None)
        if target is None:
            return
        target.expire()
        for key, taken in list(self._taken_over.items()):
            if taken is target:
                del self._taken_over[key]
                self._renew(*key)

    def in_force(self, name: str) -> InForce | None:
        """What an experiment splits by, None where there is none of that name."""
        target = self._targets.get(name)
        return None if target is None else target.in_force

    def over(self, kind: TargetKind, name: str) -> ExperimentTarget | None:
        """The experiment that requests to a model or a pipeline are for, None where there is none
        that they are split by."""
        return self._taken_over.get((kind, name))

    def find(self, name: str) -> ExperimentTarget:
        """The experiment of that name. Raises NotFoundError with the nearest name."""
        target = self._targets.get(name)
        if target is not None:
            return target
        refused = impossible(name, "experiment")
        if refused is not None:
            raise refused
        hint = did_you_mean(name, self._targets)
        raise NotFoundError(f"there is no experiment '{name}'" + (f"; {hint}" if hint else ""))

    def find_arm(self, kind: TargetKind, name: str) -> Target:
        """What a candidate is. Raises NotFoundError."""
        return self.find(name) if kind == "experiment" else self._find_served(kind, name)


def _no_routers(written: str) -> Router:
    raise NotFoundError(f"there is no router '{written}': this process has none")
