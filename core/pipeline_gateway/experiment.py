"""An experiment at the gateway: requests go to one of its candidates, and to a mirror."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol, TypeAlias

from penstock.core.contracts.gateway import Reply, Target, TargetKind, Ticket
from penstock.core.contracts.router import Candidate, RoutedRequest, Router
from penstock.core.errors import (
    InternalError,
    InvalidRequestError,
    NotReadyError,
    PenstockError,
    UnsupportedError,
)
from penstock.core.experiments.in_force import InForce
from penstock.core.experiments.split import Chosen, Observe, Result, Split
from penstock.core.experiments.trails import read_trail, written_trail
from penstock.core.inference import InferenceRequest, InferenceResponse
from penstock.core.records import Headers
from penstock.core.request_headers import (
    ROUTE,
    ROUTE_HEADERS,
    STICKY,
    STRICT_ROUTE_HEADER,
    WANTED_ROUTE,
)

MOST_MIRRORED: Final = 64
"""Copies of one experiment under way; past that requests are not copied."""

FindArm: TypeAlias = Callable[[TargetKind, str], Target]
"""Gives what a candidate is now. Raises NotFoundError."""

WhyNot: TypeAlias = Callable[[Target], PenstockError | None]
"""Why a target cannot answer, None where it can."""

Refuse: TypeAlias = Callable[[PenstockError, Reply], Ticket]
"""Answers a request that did not enter."""


class Surroundings(Protocol):
    """What experiments have of the gateway that they are at."""

    why_not: WhyNot
    refuse: Refuse
    observe: Observe
    random: Callable[[], float]
    now_ms: Callable[[], float]

    def find_arm(self, kind: TargetKind, name: str) -> Target:
        """What a candidate is now. Raises NotFoundError."""
        raise NotImplementedError


class _Arm:
    """A candidate: what it is now, looked up again when that has changed."""

    __slots__ = ("_find", "_kind", "_target", "in_flight", "name", "weight")

    def __init__(self, kind: TargetKind, name: str, weight: float, find: FindArm) -> None:
        self.name = name
        self.weight = weight
        self.in_flight = 0
        self._kind = kind
        self._find = find
        self._target: Target | None = None

    def weighing(self, weight: float) -> _Arm:
        """The same with another weight from now on."""
        self.weight = weight
        return self

    def is_of(self, kind: TargetKind, name: str) -> bool:
        """Whether it is that candidate."""
        return (self._kind, self.name) == (kind, name)

    def target(self) -> Target:
        """Raises NotFoundError."""
        target = self._target
        if target is None or not target.current:
            target = self._target = self._find(self._kind, self.name)
        return target

    def why_not(self, why_not: WhyNot) -> PenstockError | None:
        """Why it cannot answer, None where it can."""
        try:
            return why_not(self.target())
        except PenstockError as error:
            return error


class ExperimentTarget(Target):
    """One version of an experiment, by the weights that are in force.

    ``router`` is the error that there is none, where there is none. ``before`` is what this one
    takes the place of: what is under way there counts here, for weights may change every second.

    Candidates that cannot answer get no requests while another can. One without weight gets none,
    whatever trail a caller sends, so that what was given up stays given up.
    """

    __slots__ = ("_arms", "_around", "_current", "_mirror", "_router", "in_force")

    def __init__(
        self,
        in_force: InForce,
        router: Router | PenstockError,
        around: Surroundings,
        before: ExperimentTarget | None = None,
    ) -> None:
        spec = in_force.manifest.spec
        kind = spec.resource_type

        def arm(earlier: Iterable[_Arm | None], name: str, weight: float) -> _Arm:
            known = next((each for each in earlier if each and each.is_of(kind, name)), None)
            return known.weighing(weight) if known else _Arm(kind, name, weight, around.find_arm)

        self.in_force = in_force
        self._router = router
        self._around = around
        self._current = True
        self._arms: list[_Arm] = [
            arm(before._arms if before else (), candidate.name, weight)
            for candidate, weight in zip(spec.candidates, in_force.weights, strict=True)
        ]
        self._mirror: _Arm | None = None
        if spec.mirror is not None and spec.mirror.percent:
            earlier = [before._mirror] if before else []
            self._mirror = arm(earlier, spec.mirror.name, spec.mirror.percent / 100.0)

    @property
    def name(self) -> str:
        return self.in_force.manifest.name

    @property
    def version(self) -> str:
        """The version of the experiment."""
        return str(self.in_force.version)

    @property
    def current(self) -> bool:
        return self._current

    @property
    def no_router(self) -> PenstockError | None:
        """Why nothing can be chosen, None where it can."""
        return self._router if isinstance(self._router, PenstockError) else None

    def expire(self) -> None:
        """Another target may be right for the name from now on."""
        self._current = False

    def why_not(self) -> PenstockError | None:
        """Why no candidate can answer, None where one can."""
        if self.no_router is not None:
            return NotReadyError(f"experiment '{self.name}' is not ready: {self.no_router.message}")
        said = []
        for arm in self._arms:
            if arm.weight <= 0.0:
                continue
            error = arm.why_not(self._around.why_not)
            if error is None:
                return None
            said.append(f"'{arm.name}': {error.message}")
        return NotReadyError(f"no candidate of experiment '{self.name}' answers: {'; '.join(said)}")

    def silent(self) -> dict[str, str]:
        """The candidates that cannot answer, whatever they weigh, and why."""
        errors = [(arm.name, arm.why_not(self._around.why_not)) for arm in self._arms]
        return {name: error.message for name, error in errors if error is not None}

    def first(self) -> tuple[TargetKind, str]:
        """The first candidate that can answer: what it is, and its name. Raises NotReadyError."""
        for arm in self._arms:
            if arm.weight > 0.0 and arm.why_not(self._around.why_not) is None:
                return self.in_force.manifest.spec.resource_type, arm.name
        error = self.why_not()
        assert error is not None, "none could answer a moment ago"
        raise error

    def submit(
        self,
        request: InferenceRequest,
        headers: Headers,
        timeout_ms: float | None,
        reply: Reply,
    ) -> Ticket:
        try:
            way, chosen = self._way(headers)
        except PenstockError as error:
            return self._around.refuse(error, reply)
        trail = _trail(way)
        split = self._split(way)
        began_ms = self._around.now_ms()
        for step in way:
            step.arm.in_flight += 1

        def answered(result: Result) -> None:
            ended_ms = self._around.now_ms()
            for step in way:
                step.arm.in_flight -= 1
            # Nobody waits for what is counted.
            reply(_told(result, trail, way))
            split.ended(request, result, ended_ms - began_ms)

        ticket = chosen.submit(request, _passed(headers, trail), timeout_ms, answered)
        for experiment, _ in way:
            experiment.copy(request, headers, timeout_ms)
        return ticket

    def accept(
        self, request: InferenceRequest, headers: Headers, split: Split | None = None
    ) -> Ticket:
        assert split is None, "experiments choose all of the way at once"
        way, chosen = self._way(headers)
        last = way[-1].experiment
        if last.in_force.manifest.spec.resource_type == "model":
            raise UnsupportedError(
                f"the candidates of experiment '{last.name}' are models, which have no requests "
                "that nobody waits for; make pipelines of them"
            )
        ticket = chosen.accept(request, _passed(headers, _trail(way)), self._split(way))
        for experiment, _ in way:
            experiment.copy(request, headers, None)
        return ticket

    def _split(self, way: Iterable[_Step]) -> Split:
        return Split(
            tuple([Chosen(each.name, each.in_force.version, arm.name) for each, arm in way]),
            self._around.observe,
        )

    def _way(self, headers: Headers) -> tuple[list[_Step], Target]:
        """What this experiment chooses, and each that it leads to, and what that comes to."""
        way: list[_Step] = []
        at: Target = self
        try:
            while isinstance(at, ExperimentTarget):
                arm = at.choose(headers)
                way.append(_Step(at, arm))
                at = arm.target()
        except PenstockError as error:
            if way:
                error.route = _trail(way)
            raise
        return way, at

    def choose(self, headers: Headers) -> _Arm:
        """The candidate of one request. Hot."""
        router, why_not = self._router, self._around.why_not
        arms = [arm for arm in self._arms if arm.weight > 0.0 and arm.why_not(why_not) is None]
        if isinstance(router, PenstockError) or not arms:
            error = self.why_not()
            assert error is not None, "none can answer"
            raise error
        wanted = headers.get(WANTED_ROUTE)
        if wanted is not None:
            again = self._again(wanted, arms)
            if again is not None:
                return again
            if headers.get(STRICT_ROUTE_HEADER, "").lower() == "true":
                raise self._leads_nowhere(wanted, arms)
        candidates = [Candidate(arm.name, arm.weight, arm.in_flight) for arm in arms]
        try:
            index = router.choose(candidates, RoutedRequest(headers), self._around.random())
            return arms[index]
        except Exception as error:
            raise InternalError(
                f"the router '{self.in_force.manifest.spec.router}' of experiment '{self.name}' "
                f"failed: {error}"
            ) from error

    def _again(self, wanted: str, arms: list[_Arm]) -> _Arm | None:
        """The candidate of the way that the caller wants to have taken again."""
        name = read_trail(wanted).get(self.name)
        return next((arm for arm in arms if arm.name == name), None)

    def _leads_nowhere(self, wanted: str, arms: list[_Arm]) -> InvalidRequestError:
        ways = ", ".join(written_trail([(self.name, arm.name)]) for arm in arms)
        return InvalidRequestError(
            f"the way '{wanted[:200]}' leads to no candidate of experiment '{self.name}' that "
            f"takes requests; the ways are {ways}. Without {STRICT_ROUTE_HEADER} one is chosen"
        )

    def copy(self, request: InferenceRequest, headers: Headers, timeout_ms: float | None) -> None:
        """Have the mirror get the request as well, if chance will have it so. The answer that is
        on its way comes first."""
        mirror = self._mirror
        if mirror is None or mirror.in_flight >= MOST_MIRRORED:
            return
        if self._around.random() < mirror.weight:
            mirror.in_flight += 1
            loop = asyncio.get_running_loop()
            loop.call_soon(_mirror_to, mirror, request, headers, timeout_ms)


class _Step(NamedTuple):
    """An experiment on the way of a request, and what it has chosen."""

    experiment: ExperimentTarget
    arm: _Arm


def _trail(way: Iterable[_Step]) -> str:
    return written_trail((experiment.name, arm.name) for experiment, arm in way)


def _passed(headers: Headers, trail: str) -> Headers:
    """What travels on: what the caller wanted has become the way that was taken."""
    kept = {name: value for name, value in headers.items() if name not in ROUTE_HEADERS}
    return {**kept, ROUTE: trail}


def _told(result: Result, trail: str, way: Iterable[_Step]) -> Result:
    """The result, with the way that it came from."""
    if isinstance(result, PenstockError):
        result.route = trail
        return result
    parameters = {**result.parameters, ROUTE: trail}
    if any(step.experiment.in_force.manifest.spec.sticky == "cookie" for step in way):
        parameters[STICKY] = "cookie"
    return InferenceResponse(
        result.model_name, result.model_version, result.id, result.tensors, parameters
    )


def _mirror_to(
    mirror: _Arm, request: InferenceRequest, headers: Headers, timeout_ms: float | None
) -> None:
    def answered(result: Result) -> None:
        mirror.in_flight -= 1

    try:
        mirror.target().submit(request, headers, timeout_ms, answered)
    except PenstockError:
        mirror.in_flight -= 1  # it is not there, which the status says
